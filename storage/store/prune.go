package store

import (
	"errors"
	"fmt"
	"slices"

	cstorage "go.podman.io/storage"
)

// Pruned is what Prune did.
type Pruned struct {
	Removed
	Reclaimed int64 // bytes of the layers that went, unpacked
}

// Prune removes the images that no container uses and the filter selects: those
// without a name, or with all every one. Parts of interrupted pulls go as well,
// once they are a day old.
func (s *Store) Prune(f Filter, all bool) (done Pruned, err error) {
	if !all && f.Dangling == nil {
		dangling := true
		f.Dangling = &dangling
	}
	s.freeReserve()
	defer s.tidy()
	if err := s.location().ReleaseDead(); err != nil {
		return done, explain(err)
	}
	list, err := s.List(f)
	if err != nil {
		return done, err
	}
	for _, img := range list {
		if img.Containers > 0 || img.ReadOnly {
			continue
		}
		if failed := s.pruneOne(img.ID, &done); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return done, err
}

// pruneOne removes an image. One that a container has begun to use meanwhile
// stays.
func (s *Store) pruneOne(id string, done *Pruned) error {
	img, err := s.store.Image(id)
	if isUnknownImage(err) {
		return nil
	}
	if err != nil {
		return explain(fmt.Errorf("image %s: %w", shortID(id), err))
	}
	sizes := s.layerSizes(img)
	removed, err := s.delete(img)
	if errors.Is(err, ErrInUse) {
		return nil
	}
	s.removed(id, removed)
	done.Untagged = append(done.Untagged, removed.Untagged...)
	done.Deleted = append(done.Deleted, removed.Deleted...)
	for _, deleted := range removed.Deleted {
		done.Reclaimed += sizes[deleted]
	}
	return err
}

// layerSizes returns the sizes of an image's layers by what Removed calls them.
func (s *Store) layerSizes(img *cstorage.Image) map[string]int64 {
	layers, _ := s.layers(img)
	sizes := make(map[string]int64, len(layers))
	for l := range slices.Values(layers) {
		sizes["sha256:"+l.ID] = max(l.UncompressedSize, 0)
	}
	return sizes
}
