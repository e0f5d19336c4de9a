package build

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/storage/store"
)

// commit makes what a stage came to an image.
func (b *builder) commit(ctx context.Context, s *stage) (img Image, err error) {
	log := b.Progress.begin("exporting to image")
	defer func() { log.done(err) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	top := s.base.Top
	for _, r := range s.results {
		if err := ctx.Err(); err != nil {
			return img, err
		}
		if top, err = b.addLayer(top, r); err != nil {
			return img, err
		}
		s.image.RootFS.DiffIDs = append(s.image.RootFS.DiffIDs, r.layer.DiffID)
	}
	blob, err := b.configuration(s)
	if err != nil {
		return img, err
	}
	img.ID, img.Digest, err = b.images.AddImage(blob, top, b.Tags, b.Annotations)
	if err != nil {
		return img, err
	}
	log.print("writing image sha256:" + img.ID)
	for _, tag := range b.Tags {
		log.print("naming to " + tag)
	}
	return img, b.cache.settle()
}

// addLayer stores a step's result as a layer, unless it is one already.
func (b *builder) addLayer(parent string, r *result) (string, error) {
	l := store.NewLayer{ID: r.layer.ID, DiffID: r.layer.DiffID, Write: func(w io.Writer) error {
		root, err := tree.Open(r.fs())
		if err != nil {
			return err
		}
		defer root.Close()
		return root.WriteLayer(w, b.Epoch, nil)
	}}
	if err := b.images.AddLayer(parent, &l); err != nil {
		return "", err
	}
	if known := (layer{l.ID, l.DiffID}); known != r.layer {
		r.layer = known
		_ = r.save() // next time it is found by its content
	}
	return l.ID, nil
}

// configuration is the JSON text whose digest is the image's id.
func (b *builder) configuration(s *stage) ([]byte, error) {
	img := s.image
	for _, key := range slices.Sorted(maps.Keys(b.Labels)) {
		img.Config.Labels = set(img.Config.Labels, key, b.Labels[key])
	}
	created := s.created
	if created == nil {
		now := b.now()
		created = &now
	}
	img.Created = created
	for i := range img.History {
		h := &img.History[i]
		if h.Created == nil {
			h.Created = created
		}
		if b.Epoch != nil && h.Created.After(*b.Epoch) {
			h.Created = b.Epoch
		}
	}
	if b.Epoch != nil && img.Created.After(*b.Epoch) {
		img.Created = b.Epoch
	}
	return json.Marshal(img)
}
