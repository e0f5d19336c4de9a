package replace

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestFile(t *testing.T) {
	for name, replace := range map[string]func(string, string, []byte, os.FileMode) error{"fast": File, "durably": Durably} {
		t.Run(name, func(t *testing.T) { testFile(t, replace) })
	}
}

func testFile(t *testing.T, replace func(string, string, []byte, os.FileMode) error) {
	dir := t.TempDir()
	path, temporary := filepath.Join(dir, "f"), filepath.Join(dir, ".f")
	for _, content := range []string{"first", "second, longer", "", "3"} {
		if err := os.WriteFile(temporary, []byte("of a killed process"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := replace(path, temporary, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("got %v, %v", info, err)
		}
		if _, err := os.Lstat(temporary); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the temporary file: %v", err)
		}
	}
}

func TestFileWithoutAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if err := File(filepath.Join(dir, "f"), filepath.Join(dir, ".f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestReadersSeeWholeFiles reads while the file is replaced.
func TestReadersSeeWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)}
	if err := File(path, path+".0", contents[0], 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 200 {
		if err := File(path, path+".0", contents[i%2], 0o600); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}
