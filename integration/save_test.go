package integration

import (
	"bytes"
	"compress/gzip"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaveAndLoadArchives(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		id := importSmall(t, e, "made:1")
		e.OK(t, "tag", "made:1", "quay.io/x/y:z")
		for _, format := range []string{"docker-archive", "oci-archive"} {
			file := filepath.Join(e.Folder(t), "images.tar")
			e.OK(t, "save", "--format", format, "-o", file, "made:1", "quay.io/x/y:z")
			e.OK(t, "rmi", "-f", id)
			got := strings.Split(e.OK(t, "load", "-i", file), "\n")
			if len(got) != 2 || got[0] != "Loaded image: made:1" || got[1] != "Loaded image: quay.io/x/y:z" {
				t.Errorf("%s: %q", format, got)
			}
			got = strings.Split(e.OK(t, "image", "inspect", "-f", "{{.Id}}", "quay.io/x/y:z", "made:1"), "\n")
			if got[0] != got[1] || got[0] != "sha256:"+id {
				t.Errorf("%s: %q is not %s", format, got, id)
			}
		}
		// From one rl to another through a compressed pipe.
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write([]byte(e.OK(t, "save", "made:1") + "\n"))
		z.Close()
		e.OK(t, "rmi", "-f", id)
		if r := e.Cmd("load").Stdin(&packed).Run(t); r.OK(t) != "Loaded image: made:1" {
			t.Error(r)
		}
	})
}
