package store

import (
	"fmt"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// A name means one image. Those for other platforms that had it before stay
// beside it: containers/storage remembers the names that an image once had.

// keepOther gives an image that has just lost its name to one for another
// platform the name of its digest, so that it does not count as left over.
func (s *Store) keepOther(before, now *cstorage.Image, name reference.Named) error {
	if before == nil || before.ID == now.ID || before.Digest == "" {
		return nil
	}
	old, err := s.config(before)
	if err != nil {
		return nil // nothing can be started from it
	}
	c, err := s.config(now)
	if err != nil || samePlatform(old.Platform, c.Platform) {
		return err
	}
	byDigest, err := reference.WithDigest(reference.TrimNamed(name), before.Digest)
	if err != nil {
		return err
	}
	return explain(s.store.AddNames(before.ID, []string{byDigest.String()}))
}

func samePlatform(a, b ispec.Platform) bool {
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant
}

// findPlatform is find for an image of the given platform. If the name means an
// image of another one, it is the latest that had the name before.
func (s *Store) findPlatform(ref, platform string) (found, error) {
	f, err := s.find(ref)
	if err != nil || platform == "" {
		return f, err
	}
	want, err := ParsePlatform(platform)
	if err != nil {
		return found{}, err
	}
	return s.among(f, ref, func(p ispec.Platform) bool { return matches(want, p) },
		fmt.Errorf("%w: image %s is not stored for %s", ErrPlatform, ref, platform))
}

// findRunnable is find for an image that this machine can execute. Where there
// is none, it is the one that the name means.
func (s *Store) findRunnable(ref string) (found, error) {
	f, err := s.find(ref)
	if err != nil {
		return f, err
	}
	other, err := s.among(f, ref, func(p ispec.Platform) bool { return storage.Platform(p).Executable() }, ErrPlatform)
	if err != nil {
		return f, nil
	}
	return other, nil
}

// among returns f if it is for the right platform, or else the latest image
// that had its name and is, or else the error none.
func (s *Store) among(f found, ref string, right func(ispec.Platform) bool, none error) (found, error) {
	c, err := s.config(f.Image)
	if err != nil {
		return found{}, err
	}
	if right(c.Platform) {
		return f, nil
	}
	images, err := s.store.Images()
	if err != nil {
		return found{}, explain(err)
	}
	var best *cstorage.Image
	for i, img := range images {
		if f.name == "" || !slices.Contains(img.NamesHistory, f.name) || len(img.Names) == 0 {
			continue
		}
		c, err := s.config(&img)
		if err == nil && right(c.Platform) && (best == nil || img.Created.After(best.Created)) {
			best = &images[i]
		}
	}
	if best == nil {
		return found{}, none
	}
	return found{best, f.name}, nil
}
