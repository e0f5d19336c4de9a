package runner

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWritten(t *testing.T) {
	s := stored(t, 1)
	ids, err := s.ids()
	if err != nil {
		t.Fatal(err)
	}
	upper := s.file(ids[0], "upper")
	if err := os.MkdirAll(filepath.Join(upper, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Written(ids[0]); n != 0 || err != nil {
		t.Errorf("folders alone: %d, %v", n, err)
	}
	for name, size := range map[string]int{"a": 10, "folder/b": 200} {
		if err := os.WriteFile(filepath.Join(upper, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(upper, "a"), filepath.Join(upper, "folder", "again")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Written(ids[0]); n != 210 || err != nil {
		t.Errorf("two files, one of them with two names: %d, %v", n, err)
	}
}
