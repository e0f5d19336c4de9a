package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
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

// Base finds the image that ref names, or pulls it. Claiming it fails with
// storage.ErrNotResolved if other images have come or gone since: it may be among
// them, and has to be looked for again.
func (s *Store) Base(ctx context.Context, ref string, o ResolveOptions) (Base, error) {
	if err := s.Resolve(ctx, ref, o); err != nil {
		return Base{}, err
	}
	// Not by the record that was just written: another process may have changed the
	// store since, and makes it one that does not hold.
	s.facts = storage.GatherFacts(s.factFiles())
	f, err := s.resolved(ref, o.Pull.Platform)
	if err != nil {
		return Base{}, err
	}
	img, err := s.describe(f.Image)
	if err != nil {
		return Base{}, err
	}
	blob, err := s.configBlob(f.Image)
	return Base{Image: img.WhileHolding(s.facts), Blob: blob, Top: f.TopLayer}, err
}

// ImageWith finds an image that the layer id is a part of. Claiming it fails as for
// Base.
func (s *Store) ImageWith(id string) (*storage.Image, error) {
	s.facts = storage.GatherFacts(s.factFiles())
	layers, err := s.store.Layers()
	if err != nil {
		return nil, explain(err)
	}
	images, err := s.store.Images()
	if err != nil {
		return nil, explain(err)
	}
	parents := make(map[string]string, len(layers))
	for _, l := range layers {
		parents[l.ID] = l.Parent
	}
	for _, i := range images {
		for l := i.TopLayer; l != ""; l = parents[l] {
			if l == id {
				img, err := s.describe(&i)
				if err != nil {
					return nil, err
				}
				return img.WhileHolding(s.facts), nil
			}
		}
	}
	return nil, fmt.Errorf("%w with the layer %s", ErrNoSuchImage, shortID(id))
}

// LayerFolder is where the files of a layer are.
func (s *Store) LayerFolder(id string) (string, error) {
	dir, _, err := s.layerFolder(id)
	return dir, err
}

// AddImage makes an image of a configuration and the layer top, with the layers
// below it, and gives it names (complete references), which other images lose.
// It returns the image's id, and describes its manifest.
func (s *Store) AddImage(blob []byte, top string, names []string, annotations map[string]string) (id string, described ispec.Descriptor, err error) {
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Annotations: annotations}
	m.Versioned = specs.Versioned{SchemaVersion: 2}
	m.Config = ispec.Descriptor{MediaType: ispec.MediaTypeImageConfig, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	if m.Layers, err = s.descriptors(top); err != nil {
		return "", described, err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return "", described, err
	}
	defer s.tidy()
	id, _, err = s.putImage(blob, data, top, names)
	return id, describe(ispec.MediaTypeImageManifest, data), err
}

// putImage stores an image whose layers are there.
func (s *Store) putImage(blob, data []byte, top string, names []string) (id, manifestDigest string, err error) {
	if s.unwritable != nil {
		return "", "", s.unwritable
	}
	config, made := digest.FromBytes(blob), digest.FromBytes(data)
	id = config.Encoded()
	o := cstorage.ImageOptions{Digest: made, BigData: []cstorage.ImageBigDataOption{
		{Key: cstorage.ImageDigestBigDataKey, Data: data, Digest: made},
		{Key: cstorage.ImageDigestBigDataKey + "-" + made.String(), Data: data, Digest: made},
		{Key: config.String(), Data: blob, Digest: config},
	}}
	_, err = s.store.CreateImage(id, nil, top, "{}", &o)
	if errors.Is(err, cstorage.ErrDuplicateID) {
		err = s.complete(id, o.BigData)
	}
	if err != nil {
		return "", "", explain(fmt.Errorf("store the image: %w", err))
	}
	if err := s.addNames(id, names); err != nil {
		return "", "", explain(fmt.Errorf("name the image: %w", err))
	}
	return id, made.String(), nil
}

// addNames gives an image the names that it does not have yet. Of an image that is
// made again nothing is written: the store waits for the disk when it writes its list.
func (s *Store) addNames(id string, names []string) error {
	img, err := s.store.Image(id)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(img.Names, name) })
	if len(names) == 0 {
		return nil
	}
	return s.store.AddNames(id, names)
}

// complete adds to an image what a killed process has not.
func (s *Store) complete(id string, data []cstorage.ImageBigDataOption) error {
	known, err := s.store.ListImageBigData(id)
	if err != nil {
		return err
	}
	for _, item := range data {
		if slices.Contains(known, item.Key) {
			continue
		}
		if err := s.store.SetImageBigData(id, item.Key, item.Data, manifest.Digest); err != nil {
			return err
		}
	}
	return nil
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
