package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/storage"
)

// When to pull, in Docker's words.
const (
	PullMissing = "missing"
	PullAlways  = "always"
	PullNever   = "never"
)

// ResolveOptions say what Resolve may do.
type ResolveOptions struct {
	When string // PullMissing, PullAlways or PullNever
	Pull PullOptions
	// Pulling, if set, is called before a pull begins, and Pulled after it.
	Pulling func()
	Pulled  func(Pulled)
	// Ask has the registry asked for an image that would be pulled, and nothing
	// stored; Pulling is called only if it has none.
	Ask bool
}

// Resolve finds the image that ref names, pulls it if it should, and writes the
// record by which storage.Lookup finds it from then on.
func (s *Store) Resolve(ctx context.Context, ref string, o ResolveOptions) error {
	_, err := s.findPlatform(ref, o.Pull.Platform)
	switch {
	case err != nil && (o.When == PullNever || !errors.Is(err, ErrNoSuchImage) && !errors.Is(err, ErrPlatform)):
		return err
	case err == nil && o.When != PullAlways:
		return s.record(ref, o.Pull.Platform)
	}
	if _, bad := storage.ParseReference(ref); bad != nil {
		return err
	}
	if o.Ask {
		if err = s.Ask(ctx, ref, o.Pull); err == nil {
			return nil
		}
	}
	if o.Pulling != nil {
		o.Pulling()
	}
	if o.Ask {
		return err
	}
	got, err := s.Pull(ctx, ref, o.Pull)
	if err != nil {
		return err
	}
	if o.Pulled != nil {
		o.Pulled(got)
	}
	return s.record(ref, o.Pull.Platform)
}

// resolved is the stored image that ref means for a platform, "" for this machine's.
func (s *Store) resolved(ref, platform string) (found, error) {
	if platform != "" {
		return s.findPlatform(ref, platform)
	}
	return s.findRunnable(ref)
}

// record writes what Lookup reads: for ref as it was typed, with the platform,
// and for the id.
func (s *Store) record(ref, platform string) error {
	f, err := s.resolved(ref, platform)
	if err != nil {
		return err
	}
	img, err := s.describe(f.Image)
	if err != nil {
		return err
	}
	keys := []string{img.ID}
	if f.name == "" {
		id, _ := storage.IDPrefix(ref)
		keys = append(keys, storage.PlatformKey(id, platform))
	} else if name, err := storage.NormalizeReference(ref); err == nil {
		keys = append(keys, storage.PlatformKey(name, platform))
	}
	for _, key := range keys {
		if err := storage.WriteRecord(s.options.Data, key, img, s.facts); err != nil {
			return err
		}
	}
	return nil
}

// refresh renews the records after rl itself has changed the store, so that the
// next start of a container finds one that holds. A record of what is gone is
// removed. Records are a convenience: what goes wrong here, goes wrong again,
// with a message, when the image is needed.
func (s *Store) refresh() {
	s.facts = storage.GatherFacts(s.factFiles())
	files, _ := filepath.Glob(filepath.Join(s.options.Data, "images", "*.json"))
	for _, file := range files {
		key := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".json"), "%", "/")
		ref, platform := storage.SplitKey(key)
		if s.record(ref, platform) != nil {
			os.Remove(file)
		}
	}
	if list, err := s.List(Filter{}); err == nil {
		_ = storage.WriteList(s.options.Data, list, s.facts)
	}
}
