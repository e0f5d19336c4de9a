package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// Base is a stored image that another one is built on.
type Base struct {
	*storage.Image
	// Blob is its configuration, as JSON.
	Blob []byte
	// Top is the store's id of the topmost layer; "" for an image without layers.
	Top string
}

// Base finds the image that ref names, or pulls it.
func (s *Store) Base(ctx context.Context, ref string, o ResolveOptions) (Base, error) {
	if err := s.Resolve(ctx, ref, o); err != nil {
		return Base{}, err
	}
	img, err := storage.Lookup(s.options.Data, ref, o.Pull.Platform)
	if err != nil {
		return Base{}, fmt.Errorf("image %s: %w", ref, err)
	}
	stored, err := s.store.Image(img.ID)
	if err != nil {
		return Base{}, fmt.Errorf("image %s: %w", ref, err)
	}
	blob, err := s.configBlob(stored)
	return Base{Image: img, Blob: blob, Top: stored.TopLayer}, err
}

// NewLayer is a layer of an image that is being made.
type NewLayer struct {
	// Write writes its archive, uncompressed.
	Write func(io.Writer) error
	// DiffID is the digest of that archive, and ID the store's name of the layer,
	// when they are known from an earlier AddLayer.
	DiffID digest.Digest
	ID     string
}

// AddLayer stores a layer on top of another, unless it is there, and fills in
// its ID and DiffID. A layer that never gets into an image is removed like what
// an interrupted pull leaves.
func (s *Store) AddLayer(parent string, l *NewLayer) error {
	if l.ID != "" {
		if stored, err := s.store.Layer(l.ID); err == nil && stored.Parent == parent {
			return nil
		}
	}
	if known, ok := s.layerOn(parent, l.DiffID); ok {
		l.ID = known
		return nil
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(l.Write(writer)) }()
	stored, _, err := s.store.PutLayer("", parent, nil, "", false, nil, reader)
	reader.CloseWithError(err)
	if err != nil {
		return explain(fmt.Errorf("store a layer: %w", err))
	}
	l.ID, l.DiffID = stored.ID, stored.UncompressedDigest
	return nil
}

// layerOn finds a layer by its content and what it lies on.
func (s *Store) layerOn(parent string, diffID digest.Digest) (string, bool) {
	if diffID == "" {
		return "", false
	}
	layers, _ := s.store.LayersByUncompressedDigest(diffID)
	for _, l := range layers {
		if l.Parent == parent {
			return l.ID, true
		}
	}
	return "", false
}

// AddImage makes an image of a configuration and the layer top, with the layers
// below it, and gives it names (complete references), which other images lose.
// It returns the image's id, and the digest of its manifest.
func (s *Store) AddImage(blob []byte, top string, names []string, annotations map[string]string) (id, manifest string, err error) {
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Annotations: annotations}
	m.Versioned = specs.Versioned{SchemaVersion: 2}
	m.Config = ispec.Descriptor{MediaType: ispec.MediaTypeImageConfig, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	if m.Layers, err = s.descriptors(top); err != nil {
		return "", "", err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return "", "", err
	}
	id, manifestDigest := m.Config.Digest.Encoded(), digest.FromBytes(data)
	_, err = s.store.CreateImage(id, nil, top, "{}", &cstorage.ImageOptions{Digest: manifestDigest, BigData: []cstorage.ImageBigDataOption{
		{Key: cstorage.ImageDigestBigDataKey, Data: data, Digest: manifestDigest},
		{Key: cstorage.ImageDigestBigDataKey + "-" + manifestDigest.String(), Data: data, Digest: manifestDigest},
		{Key: m.Config.Digest.String(), Data: blob, Digest: m.Config.Digest},
	}})
	if err != nil && !errors.Is(err, cstorage.ErrDuplicateID) {
		return "", "", explain(fmt.Errorf("store the image: %w", err))
	}
	if len(names) > 0 {
		if err := s.store.AddNames(id, names); err != nil {
			return "", "", explain(fmt.Errorf("name the image: %w", err))
		}
	}
	s.tidy()
	return id, manifestDigest.String(), nil
}

// descriptors lists the layers up to top, the lowest first.
func (s *Store) descriptors(top string) ([]ispec.Descriptor, error) {
	layers, err := s.layers(&cstorage.Image{TopLayer: top})
	if err != nil {
		return nil, err
	}
	list := make([]ispec.Descriptor, len(layers))
	for i, l := range layers {
		list[len(layers)-1-i] = ispec.Descriptor{
			MediaType: ispec.MediaTypeImageLayer, Digest: l.UncompressedDigest, Size: max(l.UncompressedSize, 0),
		}
	}
	return list, nil
}
