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
	"go.podman.io/image/v5/oci/layout"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/rl-project/rl/storage"
)

// containerdName is the annotation in which containerd and Docker keep an image's
// complete name; the annotation of the OCI specification may hold the tag alone.
const containerdName = "io.containerd.image.name"

// Loaded is one image that Load stored.
type Loaded struct {
	ID    string
	Names []string // complete references
}

// An archived image is one that can be copied out of an archive.
type archived struct {
	ref   types.ImageReference
	names []string
}

// Load stores the images of an archive: what `docker save` writes, an OCI
// archive, either of them compressed, from a stream. One that begins with what
// tells of its images goes into the store while it is read.
func (s *Store) Load(ctx context.Context, r io.Reader, o PullOptions) (loaded []Loaded, err error) {
	tmp, err := s.openScratch()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	plain := decompress(ctx, r)
	defer plain.Close()
	p := readPreface(plain)
	if images, ok := p.images(); ok && o.Platform == "" && acceptsAll() {
		loaded, err = s.loadStream(p, images, tmp.Path, o)
		return loaded, explain(err)
	}
	return s.loadFile(ctx, tmp.Path, p.whole(), o)
}

// loadFile stores the images of an archive that must be read twice.
func (s *Store) loadFile(ctx context.Context, dir string, r io.Reader, o PullOptions) ([]Loaded, error) {
	file := filepath.Join(dir, "archive.tar")
	if err := writeNew(file, r); err != nil {
		return nil, explain(err)
	}
	kind, err := sniffFile(file)
	if err != nil {
		return nil, err
	}
	switch kind {
	case dockerArchive:
		return s.loadDocker(ctx, file, o)
	case ociArchive:
		dir := filepath.Join(dir, "layout")
		if err := extractLayout(file, dir); err != nil {
			return nil, err
		}
		return s.LoadLayout(ctx, dir, o)
	case rootfsArchive:
		return nil, fmt.Errorf("%w: it holds a root file system; 'rl import' makes an image of it", ErrArchive)
	}
	return nil, fmt.Errorf("%w: it has neither manifest.json nor an OCI index", ErrArchive)
}

// LoadLayout stores the images of a folder in the OCI layout.
func (s *Store) LoadLayout(ctx context.Context, dir string, o PullOptions) ([]Loaded, error) {
	if err := CheckLayout(dir); err != nil {
		return nil, err
	}
	list, err := layout.List(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	var images []archived
	for i, entry := range list {
		ref, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return nil, err
		}
		images = append(images, archived{ref, annotatedNames(entry.ManifestDescriptor.Annotations)})
	}
	return s.loadAll(ctx, "load", images, o)
}

// CheckLayout refuses a folder that is not in the OCI layout.
func CheckLayout(dir string) error {
	if !isLayout(dir) {
		return fmt.Errorf("%w: folder %s has no index.json and oci-layout", ErrArchive, dir)
	}
	return nil
}

func (s *Store) loadDocker(ctx context.Context, file string, o PullOptions) (loaded []Loaded, err error) {
	r, err := dockerarchive.NewReader(nil, file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, oneLine(err))
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	list, err := r.List()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, oneLine(err))
	}
	var images []archived
	for _, refs := range list {
		a := archived{ref: refs[0]}
		for _, ref := range refs {
			if named := ref.DockerReference(); named != nil {
				a.names = append(a.names, named.String())
			}
		}
		images = append(images, a)
	}
	return s.loadAll(ctx, "load", images, o)
}

// loadAll stores images, and records each as an event with the given action.
func (s *Store) loadAll(ctx context.Context, action string, images []archived, o PullOptions) ([]Loaded, error) {
	if len(images) == 0 {
		return nil, fmt.Errorf("%w: it holds no image", ErrArchive)
	}
	defer s.tidy()
	var loaded []Loaded
	for _, a := range images {
		l, err := s.loadOne(ctx, a, o)
		if err != nil {
			return loaded, explain(err)
		}
		name := ""
		if len(l.Names) > 0 {
			name = l.Names[0]
		}
		s.happened(action, "sha256:"+l.ID, name)
		loaded = append(loaded, l)
	}
	return loaded, nil
}

// loadOne copies an image in under its id, and gives it its names once it is
// whole.
func (s *Store) loadOne(ctx context.Context, a archived, o PullOptions) (Loaded, error) {
	sys, err := s.systemContext(o.Platform, "")
	if err != nil {
		return Loaded{}, err
	}
	id, err := s.copyUnnamed(ctx, a.ref, sys, o)
	if err != nil {
		return Loaded{}, fmt.Errorf("load: %w", err)
	}
	if len(a.names) > 0 {
		if err := s.store.AddNames(id, a.names); err != nil {
			return Loaded{}, fmt.Errorf("load: %w", err)
		}
	}
	img, err := s.store.Image(id)
	if err != nil {
		return Loaded{}, err
	}
	s.warnClamped(slices.Concat(a.names, []string{shortID(id)})[0], img)
	return Loaded{ID: id, Names: a.names}, nil
}

// copyUnnamed copies an image into the store without giving it a name, and
// returns its id. The library wants a name or an id beforehand; the id follows
// from the image's configuration.
func (s *Store) copyUnnamed(ctx context.Context, source types.ImageReference, sys *types.SystemContext, o PullOptions) (string, error) {
	img, err := source.NewImage(ctx, sys)
	if err != nil {
		return "", err
	}
	id := img.ConfigInfo().Digest.Encoded()
	if err := img.Close(); err != nil {
		return "", err
	}
	target, err := istorage.Transport.NewStoreReference(s.store, nil, id)
	if err != nil {
		return "", err
	}
	made, err := s.copy(ctx, target, source, sys, o)
	if err != nil {
		return "", err
	}
	_, stored, err := istorage.ResolveReference(made.reference)
	if err != nil {
		return "", err
	}
	return stored.ID, nil
}

// annotatedNames returns the names of an image in an OCI index. A bare tag is
// no name.
func annotatedNames(annotations map[string]string) []string {
	for _, key := range []string{containerdName, ispec.AnnotationRefName} {
		name := annotations[key]
		r, err := storage.ParseReference(name)
		if err != nil || r.FamiliarName() == name && key == ispec.AnnotationRefName {
			continue
		}
		if named, err := reference.ParseNamed(r.WithDefaultTag().String()); err == nil {
			return []string{named.String()}
		}
	}
	return nil
}

func sniffFile(file string) (archiveKind, error) {
	f, err := os.Open(file)
	if err != nil {
		return unknownArchive, err
	}
	defer f.Close()
	return sniff(f)
}
