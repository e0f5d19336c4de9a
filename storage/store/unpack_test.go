package store

import (
	"archive/tar"
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestUnpackStaysInTheLayer imports archives that try to write or read outside
// of the layer's folder. Each may be refused or be taken with the name bent
// back into the layer; what it may not do is touch a file outside.
func TestUnpackStaysInTheLayer(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 30)
	for name, entries := range map[string][]entry{
		"dots":                     {file(up+outside[1:]+"/new", "evil"), file(up+secret[1:], "evil")},
		"dots inside":              {file("a/../../../../../"+up+secret[1:], "evil")},
		"absolute name":            {file(outside+"/new", "evil"), file(secret, "evil")},
		"absolute symlink":         {symlink("out", outside), file("out/new", "evil"), file("out/secret", "evil")},
		"relative symlink":         {symlink("out", up+outside[1:]), file("out/new", "evil"), file("out/secret", "evil")},
		"symlink to the file":      {symlink("f", secret), file("f", "evil")},
		"symlink chain":            {symlink("a", "/"), symlink("b", "a"+outside), file("b/secret", "evil")},
		"hard link outside":        {hardlink("h", secret), file("h", "evil")},
		"hard link by dots":        {hardlink("h", up+secret[1:]), file("h", "evil")},
		"hard link by symlink":     {symlink("out", outside), hardlink("h", "out/secret"), file("h", "evil")},
		"symlink as its own dir":   {symlink("d", outside), {Header: tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o777}}, file("d/new", "evil")},
		"whiteout outside":         {symlink("out", outside), file("out/.wh.secret", "")},
		"whiteout by dots":         {file(".wh."+up+secret[1:], ""), file(up+outside[1:]+"/.wh.secret", "")},
		"opaque folder outside":    {symlink("out", outside), file("out/.wh..wh..opq", "")},
		"whiteout link dir":        {file(".wh..wh.plnk/1", "x"), hardlink("h", "/.wh..wh.plnk/../"+up+secret[1:])},
		"mode through symlink":     {symlink("f", secret), {Header: tar.Header{Name: "f", Typeflag: tar.TypeDir, Mode: 0o777}}},
		"name that is the root":    {file(".", "evil"), file("..", "evil"), hardlink("h", "..")},
		"symlink in place of root": {symlink(".", outside), file("new", "evil")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			id, err := s.Import(context.Background(), bytes.NewReader(makeTar(t, entries...)), ImportOptions{Name: "hostile"})
			t.Log(id, err)
			unchanged(t, outside, secret)
			if err == nil {
				noSecret(t, lookup(t, s, "hostile").Layers[0], secret)
			}
		})
	}
}

func unchanged(t *testing.T, dir, secret string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("outside there are now %v, %v", entries, err)
	}
	content, err := os.ReadFile(secret)
	if err != nil || string(content) != "untouched" {
		t.Errorf("the file outside holds %q, %v", content, err)
	}
	info, err := os.Stat(secret)
	if err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Errorf("the file outside is now %v, %v", info, err)
	}
}

// noSecret fails if a file in the layer is the file outside.
func noSecret(t *testing.T, layer, secret string) {
	t.Helper()
	want, err := os.Stat(secret)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(layer, func(path string, info os.FileInfo, err error) error {
		if err == nil && os.SameFile(info, want) {
			t.Errorf("%s is the file outside", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestIdsBeyondTheMap(t *testing.T) {
	s := newStore(t)
	var warnings []string
	s.options.Warn = func(line string) { warnings = append(warnings, line) }
	far := entry{tar.Header{Name: "far", Mode: 0o600, Typeflag: tar.TypeReg, Uid: math.MaxInt32, Gid: 4000000000}, "x"}
	if _, err := s.Import(context.Background(), bytes.NewReader(makeTar(t, far)), ImportOptions{Name: "far"}); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "4000000000") {
		t.Errorf("warnings: %q", warnings)
	}
	info, err := os.Stat(filepath.Join(lookup(t, s, "far").Layers[0], "far"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 0 {
		t.Errorf("the file belongs to %d:%d", st.Uid, st.Gid)
	}
}
