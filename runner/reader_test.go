package runner

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReader(t *testing.T) {
	folder := t.TempDir()
	r, err := newReader(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, size := range []int{0, 1, 100, 16<<10 - 1, 16 << 10, 16<<10 + 1, 100_000, 5} {
		want := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		if err := os.WriteFile(filepath.Join(folder, "f"), want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := r.read("f"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %v, got %d", size, err, len(got))
		}
	}
	if _, err := r.read("missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := r.read("."); err == nil {
		t.Error("a folder was read")
	}
}
