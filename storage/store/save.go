package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
)

// Formats of Save.
const (
	FormatDocker = "docker-archive"
	FormatOCI    = "oci-archive"
)

// Save writes images as one archive. Every name that is given becomes a name in
// the archive; an image that is given by id is in it without one.
func (s *Store) Save(ctx context.Context, w io.Writer, format string, refs []string) (err error) {
	images, err := s.gather(refs)
	if err != nil {
		return err
	}
	tmp, err := s.openScratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	switch format {
	case FormatDocker:
		err = s.saveDocker(ctx, w, filepath.Join(tmp.Path, "archive.tar"), images)
	case FormatOCI:
		err = s.saveOCI(ctx, w, filepath.Join(tmp.Path, "layout"), images)
	default:
		return fmt.Errorf("format %q is not one of %s and %s", format, FormatDocker, FormatOCI)
	}
	for _, img := range images {
		if err == nil {
			s.happened("save", "sha256:"+img.id, "")
		}
	}
	return err
}

// A saved image is one, with the names that it has in the archive.
type saved struct {
	id    string
	names []reference.NamedTagged
}

// gather finds the images of all references before anything is written.
func (s *Store) gather(refs []string) ([]saved, error) {
	var images []saved
	index := make(map[string]int)
	for _, ref := range refs {
		f, err := s.find(ref)
		if err != nil {
			return nil, err
		}
		at, ok := index[f.ID]
		if !ok {
			at = len(images)
			index[f.ID] = at
			images = append(images, saved{id: f.ID})
		}
		if named, err := reference.ParseNamed(f.name); err == nil {
			if tagged, ok := named.(reference.NamedTagged); ok {
				images[at].names = append(images[at].names, tagged)
			}
		}
	}
	return images, nil
}

func (s *Store) saveDocker(ctx context.Context, w io.Writer, file string, images []saved) error {
	out, err := dockerarchive.NewWriter(nil, file)
	if err != nil {
		return explain(err)
	}
	for _, img := range images {
		if err = s.saveInto(ctx, out, img); err != nil {
			break
		}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return explain(err)
	}
	return copyFile(w, file)
}

func (s *Store) saveInto(ctx context.Context, out *dockerarchive.Writer, img saved) error {
	var first reference.NamedTagged
	sys := &types.SystemContext{}
	if len(img.names) > 0 {
		first, sys.DockerArchiveAdditionalTags = img.names[0], img.names[1:]
	}
	target, err := out.NewReference(first)
	if err != nil {
		return err
	}
	return s.copyOut(ctx, target, img.id, sys)
}

// saveOCI makes a layout, in which images share their layers, and writes it as
// one archive.
func (s *Store) saveOCI(ctx context.Context, w io.Writer, dir string, images []saved) error {
	l, err := newLayout(dir)
	if err != nil {
		return explain(err)
	}
	for _, img := range images {
		if err := s.addImage(ctx, l, img); err != nil {
			return explain(fmt.Errorf("save image %s: %w", shortID(img.id), err))
		}
	}
	if err := l.finish(); err != nil {
		return explain(err)
	}
	return explain(archiveLayout(w, dir))
}

// addImage writes an image with its configuration as it is. The library would
// rewrite the one of an image in Docker's format, after which it has another id
// and has lost what the OCI specification does not know, such as health checks.
func (s *Store) addImage(ctx context.Context, l *layoutWriter, img saved) error {
	stored, err := s.store.Image(img.id)
	if err != nil {
		return err
	}
	data, err := s.configBlob(stored)
	if err != nil {
		return err
	}
	layers, err := s.layers(stored)
	if err != nil {
		return err
	}
	var written []ispec.Descriptor
	for _, layer := range slices.Backward(layers) {
		d, err := s.addLayer(ctx, l, layer)
		if err != nil {
			return err
		}
		written = append(written, d)
	}
	configured, err := l.blob(ispec.MediaTypeImageConfig, data)
	if err != nil {
		return err
	}
	var names []string
	for _, n := range img.names {
		names = append(names, n.String())
	}
	return l.image(configured, written, names)
}

// addLayer writes a layer's archive as it was when it came, uncompressed.
func (s *Store) addLayer(ctx context.Context, l *layoutWriter, layer *cstorage.Layer) (d ispec.Descriptor, err error) {
	plain := archive.Uncompressed
	content, err := s.store.Diff("", layer.ID, &cstorage.DiffOptions{Compression: &plain})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	d, err = l.layer(untilDone{ctx, content})
	if err == nil && layer.UncompressedDigest != "" && d.Digest != layer.UncompressedDigest {
		err = fmt.Errorf("layer %s has changed since it was stored; pull the image again", shortID(layer.ID))
	}
	return d, err
}

// copyOut copies a stored image to another place.
func (s *Store) copyOut(ctx context.Context, target types.ImageReference, id string, sys *types.SystemContext) error {
	source, err := istorage.Transport.NewStoreReference(s.store, nil, id)
	if err != nil {
		return err
	}
	if _, err := s.copy(ctx, target, source, sys, PullOptions{}); err != nil {
		return explain(fmt.Errorf("save image %s: %w", shortID(id), err))
	}
	return nil
}

func copyFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return explain(err)
}
