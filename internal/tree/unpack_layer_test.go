package tree

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// In a layer what comes later counts, whatever was there, and devices are left out.
func TestUnpackLayer(t *testing.T) {
	dir := func(name string, mode int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	for name, c := range map[string]struct {
		entries []tar.Header
		want    string
	}{
		"a file in place of a folder":   {[]tar.Header{dir("a", 0o755), dir("a/b", 0o755), file("a/b/c"), file("a")}, "f a "},
		"a folder in place of a file":   {[]tar.Header{file("a"), dir("a", 0o755), file("a/b")}, "d a\nf a/b "},
		"a folder in place of a link":   {[]tar.Header{dir("d", 0o755), link("a", "d"), dir("a", 0o755), file("a/b")}, "d a\nd d\nf a/b "},
		"a link in place of a folder":   {[]tar.Header{dir("d", 0o755), dir("a", 0o755), file("a/x"), link("a", "d"), file("a/b")}, "d d\nf d/b \nl a d"},
		"a device":                      {[]tar.Header{{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, file("f")}, "f f "},
		"dots that stay inside":         {[]tar.Header{file("a/../b")}, "f b "},
		"whiteouts as they are":         {[]tar.Header{file(".wh.a")}, "f .wh.a "},
		"a folder that nobody enters":   {[]tar.Header{dir("a", 0), file("a/b"), dir("a", 0o755)}, "d a\nf a/b "},
		"a root that is not a folder":   {[]tar.Header{link(".", "/etc"), file("f")}, "f f "},
		"a root with a name of its own": {[]tar.Header{dir("./", 0o755), file("./f")}, "f f "},
	} {
		t.Run(name, func(t *testing.T) {
			at := t.TempDir()
			if err := openDir(t, at).Unpack(bytes.NewReader(archive(c.entries...)), Target{Path: "/", Contents: true, Layer: true, Owner: self()}); err != nil {
				t.Fatal(err)
			}
			if got := found(t, at); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// What a layer's archive says is gone is there as overlayfs understands it.
func TestUnpackWhiteouts(t *testing.T) {
	at := t.TempDir()
	if err := unix.Mknod(filepath.Join(at, "try"), unix.S_IFCHR, 0); err != nil {
		t.Skipf("a whiteout cannot be made: %v", err)
	}
	if err := unix.Setxattr(at, opaque, []byte("y"), 0); err != nil {
		t.Skipf("no extended attributes in %s: %v", at, err)
	}
	data := archive(
		tar.Header{Name: "a/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "a/.wh.gone", Typeflag: tar.TypeReg},
		tar.Header{Name: "b/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "b/.wh..wh..opq", Typeflag: tar.TypeReg},
	)
	if err := openDir(t, at).Unpack(bytes.NewReader(data), Target{Path: "/", Contents: true, Layer: true, Whiteouts: true, Owner: self()}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(at, "a/gone"))
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("%v, %v", info, err)
	}
	value := make([]byte, 8)
	if n, err := unix.Getxattr(filepath.Join(at, "b"), opaque, value); err != nil || string(value[:n]) != "y" {
		t.Errorf("%q, %v", value[:max(n, 0)], err)
	}
}
