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
	if err := writeLayout(ctx, dir, r, c); err != nil {
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
	loaded, err := s.loadAll(ctx, "import", []archived{a}, PullOptions{Platform: o.Platform})
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
func writeLayout(ctx context.Context, dir string, rootfs io.Reader, c config) error {
	l, err := newLayout(dir)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "rootfs.tar")
	if err := unpackTo(ctx, file, rootfs); err != nil {
		return err
	}
	layer, err := addRootfs(l, file)
	if err != nil {
		return err
	}
	c.RootFS = ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	configured, err := l.blob(ispec.MediaTypeImageConfig, data)
	if err != nil {
		return err
	}
	return errors.Join(l.image(configured, []ispec.Descriptor{layer}, nil), l.finish())
}

// addRootfs makes a tar the layer, after looking through it: a tar that is none
// would otherwise make an empty image.
func addRootfs(l *layoutWriter, file string) (d ispec.Descriptor, err error) {
	kind, err := sniffFile(file)
	if err != nil {
		return d, err
	}
	if kind == dockerArchive || kind == ociArchive {
		return d, fmt.Errorf("%w of a root file system: it holds images; 'rl load' stores them", ErrArchive)
	}
	f, err := os.Open(file)
	if err != nil {
		return d, err
	}
	d, err = l.layer(f)
	return d, errors.Join(err, f.Close(), os.Remove(file))
}
