package store

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rl-project/rl/storage"
)

// What is made here can be loaded where it is: its layers are called as those of
// any loaded image.
func TestLoadWhatWasMadeHere(t *testing.T) {
	for _, driver := range []string{"overlay", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			s := newStore(t)
			conf := os.Getenv("CONTAINERS_STORAGE_CONF")
			text, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			if driver != "overlay" {
				if err := os.WriteFile(conf, bytes.Replace(text, []byte("overlay"), []byte(driver), 1), 0o600); err != nil {
					t.Fatal(err)
				}
				s = openStore(t, filepath.Join(t.TempDir(), "data"))
				defer s.store.Shutdown(true)
			}
			base := importImage(t, s, "base")
			layer := func(w io.Writer) error {
				archive := tar.NewWriter(w)
				for _, e := range []entry{file("a", "1"), file("b", strings.Repeat("2", 1<<20)), symlink("c", "a")} {
					e.Size = int64(len(e.content))
					if err := archive.WriteHeader(&e.Header); err != nil {
						return err
					}
					if _, err := io.WriteString(archive, e.content); err != nil {
						return err
					}
				}
				return archive.Close()
			}
			id, err := s.Commit(context.Background(), CommitOptions{Base: base, Config: storage.Config{Cmd: []string{"a"}}, Name: "made", Write: layer})
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{FormatDocker, FormatOCI} {
				loaded, err := s.Load(context.Background(), bytes.NewReader(save(t, s, format, "made")), PullOptions{})
				if err != nil || len(loaded) != 1 || loaded[0].ID != id {
					t.Errorf("%s: %v, %v, want %s", format, loaded, err, id)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(s.opened.GraphRoot, "*", "staging", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A failure while the archive is written leaves nothing.
func TestFailedLayerLeavesNothing(t *testing.T) {
	s := newStore(t)
	base := importImage(t, s, "base")
	_, err := s.Commit(context.Background(), CommitOptions{Base: base, Write: func(io.Writer) error { return io.ErrUnexpectedEOF }})
	if err == nil {
		t.Fatal("an image was made of a broken archive")
	}
	after, _ := filepath.Glob(filepath.Join(s.opened.GraphRoot, "overlay", "staging", "*"))
	if len(after) > 0 {
		t.Errorf("left behind: %v", after)
	}
	if all, err := s.store.Layers(); err != nil || len(all) != 1 {
		t.Errorf("%d layers, %v", len(all), err)
	}
}
