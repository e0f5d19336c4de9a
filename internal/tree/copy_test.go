package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// folder makes a folder with files in it: name to content, "name/" for a
// folder, "name@" for a link to the content.
func folder(t testing.TB, files map[string]string) (*Root, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, strings.TrimRight(name, "@"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch name[len(name)-1] {
		case '/':
			err = os.MkdirAll(path, 0o755)
		case '@':
			err = os.Symlink(content, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir
}

var unixEpoch = time.Unix(0, 0)

func TestNoPathLeadsOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := folder(t, map[string]string{"up@": "../../../../.." + outside, "abs@": outside, "dir@": filepath.Dir(outside)})
	for _, name := range []string{"up", "abs", "dir/secret", "../../../../../../" + outside, outside} {
		if f, err := r.OpenFile(name); !errors.Is(err, os.ErrNotExist) {
			if err == nil {
				f.Close()
			}
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCopyKeepsWhatFilesAre(t *testing.T) {
	from, source := folder(t, map[string]string{"a": "1", "sub/b": "2", "sub/link@": "../a", "sub/empty/": "", "left/out": "3"})
	if err := os.Chmod(filepath.Join(source, "a"), 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(source, "a"), filepath.Join(source, "sub/hard")); err != nil {
		t.Fatal(err)
	}
	to, target := folder(t, map[string]string{"there/a": "old"})
	keep := func(name string, _ bool) bool { return !strings.HasPrefix(name, "left") }
	if err := CopyFolder(to, "there", from, ".", CopyOptions{Keep: keep, Owner: self()}); err != nil {
		t.Fatal(err)
	}
	a, err := os.Stat(filepath.Join(target, "there/a"))
	if err != nil || a.Mode() != 0o751 || a.Size() != 1 {
		t.Errorf("a: %v, %v", a, err)
	}
	hard, err := os.Stat(filepath.Join(target, "there/sub/hard"))
	if err != nil || !os.SameFile(a, hard) {
		t.Errorf("sub/hard is another file: %v", err)
	}
	if link, err := os.Readlink(filepath.Join(target, "there/sub/link")); link != "../a" {
		t.Errorf("link: %q, %v", link, err)
	}
	if _, err := os.Stat(filepath.Join(target, "there/left")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

type digestChange struct {
	of     string
	change func() error
}

func TestDigestIsOfContentNotOfTime(t *testing.T) {
	r, dir := folder(t, map[string]string{"a": "1", "sub/b": "2"})
	digest := func() string {
		var b bytes.Buffer
		if err := r.Digest(&b, ".", CopyOptions{Owner: &Owner{}}, Content); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := digest()
	if err := os.Chtimes(filepath.Join(dir, "a"), unixEpoch, unixEpoch); err != nil {
		t.Fatal(err)
	}
	if digest() != first {
		t.Error("a time stamp changed the digest")
	}
	changes := []digestChange{
		{"mode", func() error { return os.Chmod(filepath.Join(dir, "a"), 0o600) }},
		{"content", func() error { return os.WriteFile(filepath.Join(dir, "a"), []byte("3"), 0o600) }},
		{"name", func() error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")) }},
	}
	if err := unix.Setxattr(filepath.Join(dir, "sub"), "user.a", []byte("1"), 0); err == nil { // the file system has attributes
		set := func(name, value string) func() error {
			return func() error { return unix.Setxattr(filepath.Join(dir, name), "user.a", []byte(value), 0) }
		}
		changes = append([]digestChange{{"a folder's attribute", set("sub", "2")}, {"a file's attribute", set("a", "2")}}, changes...)
	}
	for _, c := range changes {
		before := digest()
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if digest() == before {
			t.Errorf("a change of %s did not change the digest", c.of)
		}
	}
}

func TestLayerSaysWhatIsGone(t *testing.T) {
	r, dir := folder(t, map[string]string{"new/file": "x", "z@": "new/file"})
	if err := unix.Mknod(filepath.Join(dir, "new", "gone"), unix.S_IFCHR, 0); err != nil {
		t.Skipf("a whiteout cannot be made: %v", err)
	}
	if err := unix.Setxattr(filepath.Join(dir, "new"), opaque, []byte("y"), 0); err != nil {
		t.Skipf("no extended attributes in %s: %v", dir, err)
	}
	var b bytes.Buffer
	if err := r.WriteLayer(&b, nil, nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(&b); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if want := []string{"new/", "new/.wh..wh..opq", "new/file", "new/.wh.gone", "z"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// A copied layer has the same archive.
func TestCopyLayer(t *testing.T) {
	r, dir := folder(t, map[string]string{"new/file": "x", "z@": "new/file", "new/two": "2", "young/sub/f": "y", "empty/": ""})
	if err := unix.Mknod(filepath.Join(dir, "new", "gone"), unix.S_IFCHR, 0); err != nil {
		t.Skipf("a whiteout cannot be made: %v", err)
	}
	for key, value := range map[string]string{opaque: "y", "user.own": "1"} {
		if err := unix.Setxattr(filepath.Join(dir, "new"), key, []byte(value), 0); err != nil {
			t.Skipf("no extended attributes in %s: %v", dir, err)
		}
	}
	if err := os.Link(filepath.Join(dir, "new", "two"), filepath.Join(dir, "another")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "new"), unixEpoch, unixEpoch); err != nil {
		t.Fatal(err)
	}
	latest := time.Unix(1e9, 0)
	to, _ := folder(t, nil)
	if err := CopyLayer(to, r, &latest); err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	if err := errors.Join(r.WriteLayer(&want, &latest, nil), to.WriteLayer(&got, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("the archives differ: %d and %d bytes", want.Len(), got.Len())
	}
}

// However many work on it, a copy is like the original.
func TestCopyWithHelpers(t *testing.T) {
	files := map[string]string{}
	for i := range 600 {
		files["flat/"+strconv.Itoa(i)] = strconv.Itoa(i)
		files["deep/"+strconv.Itoa(i%40)+"/"+strconv.Itoa(i)] = strconv.Itoa(i)
	}
	r, dir := folder(t, files)
	for i := range 40 {
		if err := os.Link(filepath.Join(dir, "flat", strconv.Itoa(i)), filepath.Join(dir, "deep", strconv.Itoa(i), "hard")); err != nil {
			t.Fatal(err)
		}
	}
	to, _ := folder(t, nil)
	if err := CopyFolder(to, "/", r, "/", CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	if err := errors.Join(r.WriteLayer(&want, nil, nil), to.WriteLayer(&got, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Error("the copy is not like the original")
	}
}
