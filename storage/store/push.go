package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"

	"github.com/rl-project/rl/storage"
)

// Pushed is what Push did.
type Pushed struct {
	Name   string // complete reference
	Digest string // of the manifest in the registry
	Size   int    // of that manifest, in bytes
}

// Push copies a stored image to the registry that its name ref says. Layers
// that the registry has are not sent.
func (s *Store) Push(ctx context.Context, ref string, o PullOptions) (Pushed, error) {
	r, err := storage.ParseReference(ref)
	if err != nil {
		return Pushed{}, err
	}
	if r.Digest != "" {
		return Pushed{}, fmt.Errorf("%w: %q: a registry works digests out itself; push by tag", storage.ErrInvalidReference, ref)
	}
	name := r.WithDefaultTag().String()
	named, err := reference.ParseNamed(name)
	if err != nil {
		return Pushed{}, fmt.Errorf("%w: %w", storage.ErrInvalidReference, err)
	}
	f, err := s.findPlatform(name, o.Platform)
	if err != nil {
		return Pushed{}, err
	}
	target, err := docker.NewReference(named)
	if err != nil {
		return Pushed{}, err
	}
	source, err := istorage.Transport.NewStoreReference(s.store, nil, f.ID)
	if err != nil {
		return Pushed{}, err
	}
	sys, err := s.systemContext("", r.Domain)
	if err != nil {
		return Pushed{}, err
	}
	made, err := s.copy(ctx, target, source, sys, o)
	if err != nil {
		return Pushed{}, explainRegistry("push", name, err)
	}
	s.transferred("push", name)
	return Pushed{Name: name, Digest: digest.FromBytes(made.manifest).String(), Size: len(made.manifest)}, nil
}

// TagsOf returns the complete references of all tags that are stored of a
// repository, sorted.
func (s *Store) TagsOf(repository string) ([]string, error) {
	want, err := storage.ParseReference(repository)
	if err != nil {
		return nil, err
	}
	images, err := s.store.Images()
	if err != nil {
		return nil, explain(err)
	}
	var tags []string
	for _, img := range images {
		for _, name := range img.Names {
			if r, err := storage.ParseReference(name); err == nil && r.Name() == want.Name() && r.Tag != "" {
				tags = append(tags, name)
			}
		}
	}
	if len(tags) == 0 {
		return nil, fmt.Errorf("%w: no tag of %s is stored", ErrNoSuchImage, want.FamiliarName())
	}
	slices.Sort(tags)
	return tags, nil
}
