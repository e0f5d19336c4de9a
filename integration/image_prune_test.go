package integration

import (
	"strings"
	"testing"
)

func TestImagePrune(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.Tool("sh", "-c", "mkdir root; echo 1 >root/f; tar -C root -c . | "+e.Prog+" import - one; echo 2 >root/f; tar -C root -c . | "+e.Prog+" import - one; tar -C root -c f | "+e.Prog+" import - two").Run(t).OK(t)
	e.Cmd("image", "prune").Input("n\n").Run(t).OK(t)
	if ids := strings.Fields(e.OK(t, "images", "-q", "--filter", "dangling=true")); len(ids) != 1 {
		t.Errorf("%d images without a name, one was made", len(ids))
	}
	out := e.OK(t, "image", "prune", "-f")
	if !strings.Contains(out, "Deleted Images:\ndeleted: sha256:") || !strings.Contains(out, "Total reclaimed space: ") {
		t.Errorf("image prune said %q", out)
	}
	e.Want(t, "", "images", "-q", "--filter", "dangling=true")
	e.OK(t, "create", "--name", "user", Image, "true")
	e.OK(t, "image", "prune", "-af")
	if left := e.OK(t, "images", "--format", "{{.Repository}}"); strings.Contains(left, "one") || strings.Contains(left, "two") || !strings.Contains(left, Image) {
		t.Errorf("left are %q", left)
	}
}
