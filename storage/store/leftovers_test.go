package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRemoveLeftovers(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	img := lookup(t, s, "a")
	top := filepath.Base(filepath.Dir(img.Layers[0]))
	var chain []string
	parent := ""
	for range 3 {
		l, err := s.store.CreateLayer("", parent, nil, "", false, nil)
		if err != nil {
			t.Fatal(err)
		}
		chain, parent = append(chain, l.ID), l.ID
	}
	used, err := s.store.CreateContainer("", nil, img.ID, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.removeLeftovers(time.Now()); n != 0 || err != nil {
		t.Errorf("new layers: %d, %v", n, err)
	}
	if n, err := s.removeLeftovers(time.Now().Add(leftoverAge + time.Hour)); n != len(chain) || err != nil {
		t.Errorf("old layers: %d, %v", n, err)
	}
	for _, id := range []string{top, used.LayerID} {
		if _, err := s.store.Layer(id); err != nil {
			t.Errorf("layer %s: %v", id, err)
		}
	}
	if err := s.store.DeleteContainer(used.ID); err != nil {
		t.Error(err)
	}
}

func TestSweepHalves(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	list := filepath.Join(s.opened.GraphRoot, "overlay-images", ".tmp-images.json123")
	trial := filepath.Join(s.opened.GraphRoot, "overlay", "compat123")
	if err := errors.Join(os.WriteFile(list, []byte("[{"), 0o600), os.MkdirAll(filepath.Join(trial, "lower"), 0o700)); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(s.opened.GraphRoot, "overlay", "staging", "123")
	if err := errors.Join(os.MkdirAll(filepath.Join(staged, "dir"), 0o700), os.WriteFile(filepath.Join(staged, "staging.lock"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag("a", "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("b", false); err != nil {
		t.Fatal(err)
	}
	for _, half := range []string{list, trial, staged} {
		if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", half, err)
		}
	}
}

// A layer that somebody unpacks is not taken for one that was left.
func TestSweepSparesLayersInTheMaking(t *testing.T) {
	s := newStore(t)
	l := NewLayer{Write: func(w io.Writer) error {
		if err := s.sweepHalves(); err != nil {
			t.Error(err)
		}
		if found, _ := filepath.Glob(filepath.Join(s.opened.GraphRoot, "overlay", "staging", "*")); len(found) != 1 {
			t.Errorf("there are %q", found)
		}
		_, err := w.Write(makeTar(t, file("a", "1")))
		return err
	}}
	if err := s.AddLayer("", &l); err != nil {
		t.Fatal(err)
	}
}
