package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	cstorage "go.podman.io/storage"
)

// Draft is an image that is written as an archive without being stored.
type Draft struct {
	// Config is its configuration, as JSON.
	Config []byte
	// Top is the store's id of the topmost stored layer below Layers; "" for none.
	Top string
	// Layers are those that are not stored, the lowest first, with DiffID.
	Layers []NewLayer
	// Names are complete references.
	Names       []string
	Annotations map[string]string
}

// Measure writes the archive of a layer to nowhere and fills in its DiffID.
func (l *NewLayer) Measure() (err error) {
	l.DiffID, l.size, err = measure(io.Discard, l.Write)
	return err
}

// measure lets write write to w, and tells what it was.
func measure(w io.Writer, write func(io.Writer) error) (digest.Digest, int64, error) {
	digester, size := digest.Canonical.Digester(), new(counter)
	err := write(io.MultiWriter(digester.Hash(), size, w))
	return digester.Digest(), int64(*size), err
}

// SaveDraft writes d as an archive of one of the formats of Save, and describes its
// manifest. Its layers have been measured.
func (s *Store) SaveDraft(ctx context.Context, w io.Writer, format string, d Draft) (manifest ispec.Descriptor, err error) {
	o, manifest, err := s.outlineDraft(d)
	if err != nil {
		return manifest, explain(fmt.Errorf("write the image: %w", err))
	}
	t := tar.NewWriter(w)
	err = errors.Join(o.write(t, format), s.writeLayers(ctx, t, o.layers), t.Close())
	if err != nil {
		err = explain(fmt.Errorf("write the image: %w", err))
	}
	return manifest, err
}

func (s *Store) outlineDraft(d Draft) (o outline, manifest ispec.Descriptor, err error) {
	stack, err := s.layers(&cstorage.Image{TopLayer: d.Top})
	if err != nil {
		return o, manifest, err
	}
	for i := len(stack) - 1; i >= 0; i-- {
		l, err := s.describeLayer(stack[i])
		if err != nil {
			return o, manifest, err
		}
		o.layers = append(o.layers, storedLayer{id: stack[i].ID, Descriptor: l})
	}
	for _, l := range d.Layers {
		described := ispec.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: l.DiffID, Size: l.size}
		o.layers = append(o.layers, storedLayer{Descriptor: described, write: l.Write})
	}
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Annotations: d.Annotations}
	m.SchemaVersion, m.Config = 2, describe(ispec.MediaTypeImageConfig, d.Config)
	entry := dockerImage{Config: blobPath(m.Config.Digest)}
	o.layers, m.Layers, entry.Layers = onceEach(o.layers)
	var names []reference.NamedTagged
	for _, name := range d.Names {
		if named, err := reference.ParseNamed(name); err == nil {
			if tagged, ok := named.(reference.NamedTagged); ok {
				names = append(names, tagged)
				entry.RepoTags = append(entry.RepoTags, reference.FamiliarString(tagged))
			}
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return o, manifest, err
	}
	o.blobs, o.docker = [][]byte{d.Config, data}, []dockerImage{entry}
	manifest = describe(ispec.MediaTypeImageManifest, data)
	o.enter(manifest, names)
	return o, manifest, nil
}

// onceEach lists layers as a manifest does, and leaves each once to be written.
func onceEach(layers []storedLayer) (once []storedLayer, all []ispec.Descriptor, paths []string) {
	seen := map[digest.Digest]bool{}
	for _, l := range layers {
		all, paths = append(all, l.Descriptor), append(paths, blobPath(l.Digest))
		if !seen[l.Digest] {
			seen[l.Digest] = true
			once = append(once, l)
		}
	}
	return once, all, paths
}
