package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/storage/store"
)

// mostLayers is how many an image may have, as with Docker: of more the options of
// a container's mount do not fit into a page.
const mostLayers = 127

// commit makes what a stage came to an image.
func (b *builder) commit(ctx context.Context, s *stage, names []string) (img Image, err error) {
	log := b.Progress.begin("exporting to image")
	defer func() { log.done(err) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	top, parts := s.base.Top, b.parts(s)
	if n := len(s.image.RootFS.DiffIDs) + len(parts); n > mostLayers {
		return img, fmt.Errorf("the image would have %d layers, and can have %d: put several steps into one, or add --squash", n, mostLayers)
	}
	var diffIDs []digest.Digest
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return img, err
		}
		var diffID digest.Digest
		if top, diffID, err = b.addLayer(top, p); err != nil {
			return img, err
		}
		diffIDs = append(diffIDs, diffID)
	}
	blob, err := b.configuration(s, diffIDs)
	if err != nil {
		return img, err
	}
	img.Names = names
	img.ID, img.Manifest, err = b.images.AddImage(blob, top, names, b.Annotations)
	if err = errors.Join(err, img.describe(blob)); err != nil {
		return img, err
	}
	log.print("writing image sha256:" + img.ID)
	for _, name := range names {
		log.print("naming to " + name)
	}
	return img, nil
}

// addLayer stores a layer, unless it is stored already.
func (b *builder) addLayer(parent string, p part) (string, digest.Digest, error) {
	l := store.NewLayer{Write: func(w io.Writer) error { return p.write(w, b.Epoch) }}
	if len(p) > 1 {
		err := b.images.AddLayer(parent, &l)
		return l.ID, l.DiffID, err
	}
	r := p[0]
	moved := false
	l.Fill = func(dir string) (err error) {
		moved, err = b.fill(r, dir)
		return err
	}
	defer r.stay()
	if known := r.layer; known.Latest == b.latest() {
		l.ID, l.DiffID = known.ID, known.DiffID
	}
	if err := b.images.AddLayer(parent, &l); err != nil {
		return "", "", err
	}
	if moved {
		if err := b.follow(r, l.ID); err != nil {
			return "", "", err
		}
	}
	if known := (layer{l.ID, l.DiffID, b.latest()}); known != r.layer {
		r.layer = known
		_ = r.save() // next time it is found by its content
	}
	return l.ID, l.DiffID, nil
}

// latest is the time that nothing in a layer is younger than, "" for none.
func (b *builder) latest() string {
	if b.Epoch == nil {
		return ""
	}
	return b.Epoch.Format(time.RFC3339)
}

// configuration is the JSON text whose digest is the image's id.
func (b *builder) configuration(s *stage, diffIDs []digest.Digest) ([]byte, error) {
	img := s.image
	img.RootFS.DiffIDs = slices.Concat(img.RootFS.DiffIDs, diffIDs)
	img.History = b.dated(img.History)
	if len(diffIDs) < len(s.results) {
		img.History = squashed(img.History, s.inherited)
	}
	for _, key := range slices.Sorted(maps.Keys(b.Labels)) {
		img.Config.Labels = set(img.Config.Labels, key, b.Labels[key])
	}
	if now := b.now(); len(img.History) == 0 {
		img.Created = &now
	} else {
		img.Created = img.History[len(img.History)-1].Created
	}
	return inOrder(img)
}

// dated is the history with a time for each line. A line that changes no files has
// that of the layer before it; the first of them that of the layer after it, as the
// one before may be the base image's and years old.
func (b *builder) dated(history []ispec.History) []ispec.History {
	list, without := slices.Clone(history), false
	created := b.firstTime(list)
	for i := range list {
		switch h := &list[i]; {
		case h.Created == nil:
			h.Created, without = created, true
		case without:
			created = h.Created
		}
	}
	return list
}

// firstTime is the time of the first line without one: that of the next line that
// has one, or else of the last before it.
func (b *builder) firstTime(list []ispec.History) *time.Time {
	now := b.now()
	created, without := &now, false
	for _, h := range list {
		switch {
		case h.Created == nil:
			without = true
		case without:
			return h.Created
		default:
			created = h.Created
		}
	}
	return created
}

// inOrder writes the parts of a configuration in alphabetical order, as Docker
// does: the image's id depends on it.
func inOrder(img any) ([]byte, error) {
	data, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, err
	}
	return json.Marshal(parts)
}
