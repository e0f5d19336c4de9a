package store

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/storage"
)

// ImportOptions describe the image that Import makes.
type ImportOptions struct {
	Name     string   // without one the image has no name
	Changes  []string // in Dockerfile words, "CMD [\"sh\"]"
	Message  string
	Platform string
}

// Check finds what is wrong with o whatever is imported.
func (o ImportOptions) Check() error {
	if o.Name != "" {
		if _, err := storage.NormalizeReference(o.Name); err != nil {
			return err
		}
	}
	_, err := importedConfig(o)
	return err
}

// Import makes an image with one layer, the root file system in the tar r,
// which may be compressed. It returns the image's id.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (id string, err error) {
	c, err := importedConfig(o)
	if err != nil {
		return "", err
	}
	var names []string
	if o.Name != "" {
		name, err := storage.NormalizeReference(o.Name)
		if err != nil {
			return "", err
		}
		names = []string{name}
	}
	layer := NewLayer{Write: func(w io.Writer) error { return copyRootfs(ctx, w, r) }}
	if err := s.AddLayer("", &layer); err != nil {
		return "", err
	}
	c.RootFS = ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.DiffID}}
	blob, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	if id, _, err = s.AddImage(blob, layer.ID, names, nil); err != nil {
		return "", err
	}
	img, err := s.store.Image(id)
	if err != nil {
		return "", err
	}
	s.warnClamped(shortID(id), img)
	s.happened("import", "sha256:"+id, strings.Join(names, ""))
	return id, nil
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

// copyRootfs writes the tar in r, uncompressed, and looks through it on the way:
// one that is none would otherwise make an empty image.
func copyRootfs(ctx context.Context, w io.Writer, r io.Reader) error {
	plain := decompress(ctx, r)
	defer plain.Close()
	copied := bufio.NewReaderSize(io.TeeReader(plain, w), 1<<20)
	kind, err := sniff(copied)
	if err != nil {
		return err
	}
	if kind == dockerArchive || kind == ociArchive {
		return fmt.Errorf("%w of a root file system: it holds images; 'rl load' stores them", ErrArchive)
	}
	_, err = io.Copy(io.Discard, copied)
	return err
}
