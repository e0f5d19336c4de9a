package integration

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Image is the name of the image that every shared Env has: Alpine where the
// folder with real images is there, else one made from a static busybox. Both
// have a shell and the usual small programs.
const Image = "rltest"

// Archive is the path of one of the real images, for a test that Needs
// RealImages.
func Archive(name string) string { return filepath.Join(ImageDir(), name) }

// Preload loads Image into the Env.
func (e *Env) Preload() error {
	alpine, err := os.Open(Archive("alpine-3.20.3.tar"))
	if err != nil {
		return e.importBusybox()
	}
	defer alpine.Close()
	if err := e.do(e.Cmd("load").Stdin(alpine)); err != nil {
		return err
	}
	return e.do(e.Cmd("tag", "alpine:3.20", Image))
}

func (e *Env) importBusybox() error {
	rootfs, err := BusyboxRootfs()
	if err != nil {
		return err
	}
	imported := e.Cmd("import", "-c", `CMD ["/bin/sh"]`, "-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "-", Image)
	if err := e.do(imported.Stdin(bytes.NewReader(rootfs))); err != nil {
		return err
	}
	return e.do(e.Cmd("tag", Image, "alpine:3.20")) // what Dockerfiles of the tests begin with
}

// do runs a command outside of any test.
func (e *Env) do(c *Cmd) error {
	r, err := c.Do()
	if err == nil && r.Code == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", r, err)
}

// BusyboxRootfs is a tar archive of a small root file system made from the
// machine's static busybox.
func BusyboxRootfs() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("no image to test with: set RL_IMAGES, or apt-get install busybox-static: %w", err)
	}
	list, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("busybox --list: %w", err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	err = writeRootfs(tw, program, strings.Fields(string(list)))
	if err == nil {
		err = tw.Close()
	}
	return buf.Bytes(), err
}

func writeRootfs(tw *tar.Writer, program []byte, applets []string) error {
	entries := []struct {
		header tar.Header
		data   string
	}{
		{tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "root/", Typeflag: tar.TypeDir, Mode: 0o700}, ""},
		{tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, ""},
		{tar.Header{Name: "usr/bin/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "usr/local/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "srv/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "media/", Typeflag: tar.TypeDir, Mode: 0o755}, ""},
		{tar.Header{Name: "etc/apk/world", Mode: 0o644}, "busybox\n"},
		{tar.Header{Name: "etc/motd", Mode: 0o644}, "Welcome.\n"},
		{tar.Header{Name: "etc/passwd", Mode: 0o644}, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nguest:x:405:100:guest:/dev/null:/bin/false\n"},
		{tar.Header{Name: "etc/os-release", Mode: 0o644}, "PRETTY_NAME=busybox\n"},
		{tar.Header{Name: "etc/group", Mode: 0o644}, "root:x:0:\ndaemon:x:2:\nusers:x:100:\nnobody:x:65534:\n"},
		{tar.Header{Name: "bin/busybox", Mode: 0o755}, string(program)},
	}
	for _, e := range entries {
		if err := writeEntry(tw, e.header, e.data); err != nil {
			return err
		}
	}
	for _, name := range applets {
		link := tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}
		if name == "busybox" {
			continue
		}
		if err := writeEntry(tw, link, ""); err != nil {
			return err
		}
	}
	return nil
}

func writeEntry(tw *tar.Writer, h tar.Header, data string) error {
	h.Size = int64(len(data))
	if err := tw.WriteHeader(&h); err != nil {
		return err
	}
	_, err := io.WriteString(tw, data)
	return err
}

// Load loads a real image archive, from Archive, into the Env.
func (e *Env) Load(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e.Cmd("load").Stdin(f).Run(t).OK(t)
}
