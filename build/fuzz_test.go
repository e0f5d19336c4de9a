package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// A .dockerignore of any content is read or refused, and does not leave out the
// context itself.
func FuzzIgnore(f *testing.F) {
	for _, text := range []string{"", "*\n!a", "**/*.o", "[", "!", "a/../..", "/", "\\", "# c\n\n a ", "**", "!../x", "a/**/b", "\xff", "\\p\xbc"} {
		f.Add([]byte(text), "a/b")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		c, err := openContext(dir, text, openDigests(filepath.Join(dir, "digests")))
		if err != nil {
			return
		}
		defer c.close()
		if !c.keep(".", true) {
			t.Errorf("%q leaves out the context", text)
		}
		if first := c.keep(name, false); first != c.keep("/"+strings.TrimPrefix(name, "/"), false) && !strings.HasPrefix(name, "/") {
			t.Errorf("%q: %q is left out by one name only", text, name)
		}
	})
}

// A context of any bytes is unpacked into its folder, taken for a Dockerfile, or
// refused.
func FuzzTake(f *testing.F) {
	var archive, packed bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []tar.Header{
		{Name: "Dockerfile", Typeflag: tar.TypeReg, Mode: 0o644}, {Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/"},
		{Name: "l/x", Typeflag: tar.TypeReg, Mode: 0o600}, {Name: "../y", Typeflag: tar.TypeReg}, {Name: "h", Typeflag: tar.TypeLink, Linkname: "../z"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
	}
	w.Close()
	z := gzip.NewWriter(&packed)
	z.Write(archive.Bytes())
	z.Close()
	for _, data := range [][]byte{nil, []byte("FROM scratch\n"), archive.Bytes(), packed.Bytes(), packed.Bytes()[:30], make([]byte, 2048), archive.Bytes()[:600]} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "context")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = (&Fetched{Dir: dir}).take(bytes.NewReader(data))
		if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
			t.Errorf("wrote outside: %v, %v", left, err)
		}
	})
}

// A Git address never becomes an option of git's, nor a path of this machine.
func FuzzGitAddress(f *testing.F) {
	for _, name := range []string{"https://h/r.git#b:d", "git@h:r.git", "git://h/r", "file:///etc", "-x", "ssh://-oProxyCommand=x/r", "ext::sh", "https://h/r.git#--x", "git@-x:r.git"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !isGit(name) {
			return
		}
		ref, _, err := dfgitutil.ParseGitRef(name)
		if err != nil || checkGit(ref) != nil {
			return
		}
		for _, word := range []string{ref.Remote, ref.Ref} {
			if strings.HasPrefix(word, "-") || strings.Contains(word, "::") && !strings.Contains(word, "://") {
				t.Errorf("%q gives %q", name, word)
			}
		}
	})
}
