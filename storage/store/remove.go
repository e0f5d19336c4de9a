package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// Removed is what a removal did, in Docker's words.
type Removed struct {
	Untagged []string // complete references
	Deleted  []string // ids of images and layers, "sha256:..."
}

// Remove takes the name ref from an image, and the image with its last name. By
// id it takes all names of one repository; more than that only with force. An
// image that containers use keeps its last name; with force it loses the name
// and stays, without one, until its containers are removed.
func (s *Store) Remove(ref string, force bool) (done Removed, err error) {
	f, err := s.find(ref)
	if err != nil {
		return Removed{}, err
	}
	defer func() { s.removed(f.ID, done) }()
	if f.ReadOnly {
		return Removed{}, fmt.Errorf("image %s is in an additional store, which is only read", ref)
	}
	s.freeReserve()
	defer s.tidy()
	if f.name != "" && len(f.Names) > 1 {
		return s.untag(f.Image, f.name)
	}
	if repos := repositories(f.Names); f.name == "" && len(repos) > 1 && !force {
		return Removed{}, fmt.Errorf("%w: image %s is %s; use -f to remove it with all its names", ErrAmbiguous, ref, strings.Join(repos, " and "))
	}
	user, err := s.userOf(f.ID)
	if err != nil {
		return Removed{}, err
	}
	switch {
	case user == "":
		return s.delete(f.Image)
	case force && f.name != "":
		return s.untag(f.Image, f.name)
	}
	return Removed{}, fmt.Errorf("%w: image %s by container %s; remove the container first", ErrInUse, ref, shortID(user))
}

func (s *Store) untag(img *cstorage.Image, name string) (Removed, error) {
	if !slices.Contains(img.Names, name) {
		return Removed{}, fmt.Errorf("%w: image %s does not have the name %s", ErrNoSuchImage, shortID(img.ID), name)
	}
	if err := s.store.RemoveNames(img.ID, []string{name}); err != nil {
		return Removed{}, explain(fmt.Errorf("untag %s: %w", name, err))
	}
	return Removed{Untagged: []string{name}}, nil
}

func (s *Store) delete(img *cstorage.Image) (Removed, error) {
	layers, err := s.store.DeleteImage(img.ID, true)
	switch {
	case errors.Is(err, cstorage.ErrImageUsedByContainer):
		return Removed{}, fmt.Errorf("%w: %w", ErrInUse, err)
	case isUnknownImage(err):
		return Removed{}, fmt.Errorf("%w: %s", ErrNoSuchImage, shortID(img.ID))
	case err != nil:
		return Removed{}, explain(fmt.Errorf("remove image %s: %w", shortID(img.ID), err))
	}
	out := Removed{Untagged: img.Names, Deleted: []string{"sha256:" + img.ID}}
	for _, l := range layers {
		out.Deleted = append(out.Deleted, "sha256:"+l)
	}
	return out, nil
}

// repositories returns the distinct names without tags and digests.
func repositories(names []string) []string {
	var repos []string
	for _, name := range names {
		if r, err := storage.ParseReference(name); err == nil && !slices.Contains(repos, r.FamiliarName()) {
			repos = append(repos, r.FamiliarName())
		}
	}
	return repos
}

// userOf returns a container that uses an image, "" if there is none. Claims of
// rl's containers that were killed between losing their folder and losing their
// claim are dropped here.
func (s *Store) userOf(imageID string) (string, error) {
	containers, err := s.store.Containers()
	if err != nil {
		return "", explain(fmt.Errorf("list of containers: %w", err))
	}
	user := ""
	var dead []string
	for _, c := range containers {
		if c.ImageID != imageID {
			continue
		}
		if storage.IsDead(c.Metadata) {
			dead = append(dead, c.ID)
		} else if user == "" {
			user = c.ID
		}
	}
	if len(dead) == 0 {
		return user, nil
	}
	return user, s.location().Release(dead...)
}
