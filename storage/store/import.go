package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/oci/layout"

	"github.com/rl-project/rl/storage"
)

// ImportOptions describe the image that Import makes.
type ImportOptions struct {
	Name     string   // without one the image has no name
	Changes  []string // in Dockerfile words, "CMD [\"sh\"]"
	Message  string
	Platform string
}

// Import makes an image with one layer, the root file system in the tar r,
// which may be compressed. It returns the image's id.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (id string, err error) {
	c, err := importedConfig(o)
	if err != nil {
		return "", err
	}
	name := ""
	if o.Name != "" {
		if name, err = storage.NormalizeReference(o.Name); err != nil {
			return "", err
		}
	}
	tmp, err := s.openScratch()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	dir := filepath.Join(tmp.Path, "layout")
	if err := writeLayout(dir, r, c); err != nil {
		return "", explain(err)
	}
	ref, err := layout.NewIndexReference(dir, 0)
	if err != nil {
		return "", err
	}
	a := archived{ref: ref}
	if name != "" {
		a.names = []string{name}
	}
	loaded, err := s.loadAll(ctx, []archived{a}, PullOptions{Platform: o.Platform})
	if err != nil {
		return "", err
	}
	return loaded[0].ID, nil
}

func importedConfig(o ImportOptions) (config, error) {
	now := time.Now().UTC()
	c := config{Comment: o.Message}
	c.Created = &now
	c.OS, c.Architecture = "linux", runtime.GOARCH
	if o.Platform != "" {
		p, err := ParsePlatform(o.Platform)
		if err != nil {
			return c, err
		}
		c.Platform = p
		if p.Architecture == "" {
			c.Architecture = runtime.GOARCH
		}
	}
	c.History = []ispec.History{{Created: &now, CreatedBy: "rl import", Comment: o.Message}}
	for _, change := range o.Changes {
		if err := c.Config.apply(change); err != nil {
			return c, err
		}
	}
	return c, nil
}

// writeLayout makes an OCI layout of an image with one layer.
func writeLayout(dir string, rootfs io.Reader, c config) error {
	blobs := filepath.Join(dir, ispec.ImageBlobsDir, digest.Canonical.String())
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return err
	}
	layer, err := writeLayer(blobs, rootfs)
	if err != nil {
		return err
	}
	c.RootFS = ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}
	configured, err := writeBlob(blobs, ispec.MediaTypeImageConfig, c)
	if err != nil {
		return err
	}
	m, err := writeBlob(blobs, ispec.MediaTypeImageManifest, ispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageManifest,
		Config: configured, Layers: []ispec.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	index := ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ispec.Descriptor{m}}
	return errors.Join(
		writeJSON(filepath.Join(dir, ispec.ImageIndexFile), index),
		writeJSON(filepath.Join(dir, ispec.ImageLayoutFile), ispec.ImageLayout{Version: ispec.ImageLayoutVersion}),
	)
}

// writeLayer stores an uncompressed tar under its digest, after looking through
// it: a tar that is none would otherwise make an empty image.
func writeLayer(blobs string, rootfs io.Reader) (ispec.Descriptor, error) {
	file := filepath.Join(blobs, "layer")
	if err := unpackTo(file, rootfs); err != nil {
		return ispec.Descriptor{}, err
	}
	kind, err := sniffFile(file)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	if kind == dockerArchive || kind == ociArchive {
		return ispec.Descriptor{}, fmt.Errorf("%w of a root file system: it holds images; 'rl load' stores them", ErrArchive)
	}
	f, err := os.Open(file)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	defer f.Close()
	sum, err := digest.FromReader(f)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return ispec.Descriptor{}, err
	}
	d := ispec.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: sum, Size: info.Size()}
	return d, os.Rename(file, filepath.Join(blobs, sum.Encoded()))
}

func writeBlob(blobs, mediaType string, value any) (ispec.Descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	d := ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(filepath.Join(blobs, d.Digest.Encoded()), data, 0o600)
}

func writeJSON(file string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
