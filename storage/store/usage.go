package store

import (
	"fmt"
	"os"
	"path/filepath"

	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// Usage is how much space the stored images take, in bytes, unpacked.
type Usage struct {
	Layers int64 // of all images, what several have counted once
	// Shared is, for each image by id, what other images have as well.
	Shared map[string]int64
}

// Usage adds up the layers of all images.
func (s *Store) Usage() (Usage, error) {
	u := Usage{Shared: make(map[string]int64)}
	images, err := s.store.Images()
	if err != nil {
		return u, explain(fmt.Errorf("list of images: %w", err))
	}
	layers := make(map[string][]*cstorage.Layer, len(images))
	having := make(map[string]int)
	for i := range images {
		of, err := s.layers(&images[i])
		if err != nil {
			s.warnf("image %s is left out: %v", shortID(images[i].ID), err)
			continue
		}
		layers[images[i].ID] = of
		for _, l := range of {
			if having[l.ID]++; having[l.ID] == 1 {
				u.Layers += max(l.UncompressedSize, 0)
			}
		}
	}
	for id, of := range layers {
		for _, l := range of {
			if having[l.ID] > 1 {
				u.Shared[id] += max(l.UncompressedSize, 0)
			}
		}
	}
	return u, nil
}

// SharedWith names a program that keeps things of its own in the store, "" if
// there is only rl.
func (s *Store) SharedWith() (string, error) {
	if _, err := os.Stat(filepath.Join(s.opened.GraphRoot, "libpod")); err == nil {
		return "Podman", nil
	}
	containers, err := s.store.Containers()
	if err != nil {
		return "", explain(fmt.Errorf("list of containers: %w", err))
	}
	for _, c := range containers {
		if !storage.IsOurs(c.Metadata) {
			return "another program", nil
		}
	}
	return "", nil
}
