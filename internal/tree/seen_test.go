package tree

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a copy reads is compared with what a digest was made of.
func TestSeen(t *testing.T) {
	from, dir := folder(t, map[string]string{"a": "1", "sub/b": "2", "sub/l@": "b", "empty/": ""})
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "sub/hard")); err != nil {
		t.Fatal(err)
	}
	digest := CopyOptions{Seen: new(Seen)}
	if err := from.Digest(io.Discard, "/", digest, Content); err != nil {
		t.Fatal(err)
	}
	copied := func() bool {
		t.Helper()
		to, _ := folder(t, nil)
		o := CopyOptions{Seen: new(Seen)}
		if err := CopyFolder(to, "/", from, "/", o); err != nil {
			t.Fatal(err)
		}
		return o.Seen.Same(digest.Seen)
	}
	if !copied() {
		t.Error("a folder that did not change was seen otherwise")
	}
	long := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(dir, "sub/b"), long, long); err != nil {
		t.Fatal(err)
	}
	if copied() {
		t.Error("a file that changed was seen as it had been")
	}
}

// A file with several names is another thing than several files.
func TestDigestOfHardLinks(t *testing.T) {
	sum := func(make func(dir string) error) string {
		t.Helper()
		r, dir := folder(t, map[string]string{"a": "1"})
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.Digest(&b, ".", CopyOptions{}, Content); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	one := sum(func(dir string) error { return os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")) })
	two := sum(func(dir string) error { return os.WriteFile(filepath.Join(dir, "b"), []byte("1"), 0o644) })
	outside := sum(func(dir string) error {
		if err := os.Link(filepath.Join(dir, "a"), filepath.Join(t.TempDir(), "x")); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "b"), []byte("1"), 0o644)
	})
	if one == two || outside != two {
		t.Errorf("a link has %s, two files %s, and with a link elsewhere %s", one, two, outside)
	}
}
