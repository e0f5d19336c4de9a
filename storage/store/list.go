package store

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	cstorage "go.podman.io/storage"

	"github.com/rl-project/rl/storage"
)

// Summary is what a list shows of an image.
type Summary = storage.Summary

// Filter selects images in a list. The zero value selects all.
type Filter struct {
	Dangling      *bool
	Labels        []string  // "key" or "key=value", all of which must match
	References    []string  // names or patterns such as "alpine:3.*", one of which must match
	Before, Since string    // images created before, or after, this one
	Until         time.Time // images created before this moment, if it is set
	Without       []string  // labels of which none must match
}

// List returns the stored images, the newest first.
func (s *Store) List(f Filter) ([]Summary, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, explain(fmt.Errorf("list of images: %w", err))
	}
	used, err := s.usage()
	if err != nil {
		return nil, err
	}
	selected, err := s.selection(f)
	if err != nil {
		return nil, err
	}
	var list []Summary
	for i := range images {
		summary, err := s.summarize(&images[i], used)
		if err != nil {
			s.warnf("image %s is left out: %v", shortID(images[i].ID), err)
			continue
		}
		if selected(summary) {
			list = append(list, summary)
		}
	}
	slices.SortStableFunc(list, func(a, b Summary) int { return b.Created.Compare(a.Created) })
	return list, nil
}

func (s *Store) summarize(img *cstorage.Image, used map[string]int) (Summary, error) {
	c, err := s.config(img)
	if err != nil {
		return Summary{}, err
	}
	layers, err := s.layers(img)
	if err != nil {
		return Summary{}, err
	}
	summary := Summary{
		ID: img.ID, Names: slices.Sorted(slices.Values(img.Names)), Digest: img.Digest.String(), Created: img.Created,
		Size: layerSize(layers), Labels: c.Config.Labels, Containers: used[img.ID], ReadOnly: img.ReadOnly,
	}
	if c.Created != nil {
		summary.Created = *c.Created
	}
	return summary, nil
}

// usage counts the containers of each image.
func (s *Store) usage() (map[string]int, error) {
	containers, err := s.store.Containers()
	if err != nil {
		return nil, explain(fmt.Errorf("list of containers: %w", err))
	}
	used := make(map[string]int)
	for _, c := range containers {
		used[c.ImageID]++
	}
	return used, nil
}

// selection turns a filter into a test. Images that "before" and "since" name
// must exist.
func (s *Store) selection(f Filter) (func(Summary) bool, error) {
	before, err := s.createdOf(f.Before)
	if err != nil {
		return nil, err
	}
	since, err := s.createdOf(f.Since)
	if err != nil {
		return nil, err
	}
	for _, pattern := range f.References {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("filter reference=%s: %w", pattern, err)
		}
	}
	return func(i Summary) bool {
		return (f.Dangling == nil || *f.Dangling == (len(i.Names) == 0)) &&
			(f.Before == "" || i.Created.Before(before)) &&
			(f.Since == "" || i.Created.After(since)) &&
			(f.Until.IsZero() || i.Created.Before(f.Until)) &&
			!slices.ContainsFunc(f.Without, func(l string) bool { return hasLabels(i.Labels, []string{l}) }) &&
			hasLabels(i.Labels, f.Labels) && matchesAny(i.Names, f.References)
	}, nil
}

func (s *Store) createdOf(ref string) (time.Time, error) {
	if ref == "" {
		return time.Time{}, nil
	}
	f, err := s.find(ref)
	if err != nil {
		return time.Time{}, err
	}
	summary, err := s.summarize(f.Image, nil)
	return summary.Created, err
}

func hasLabels(labels map[string]string, wanted []string) bool {
	for _, w := range wanted {
		key, value, exact := strings.Cut(w, "=")
		got, ok := labels[key]
		if !ok || exact && got != value {
			return false
		}
	}
	return true
}

// Matches reports whether one name of an image passes the filter's references.
func (f Filter) Matches(name string) bool { return matchesAny([]string{name}, f.References) }

// matchesAny reports whether a name matches a pattern: with and without its
// tag, as people write it and complete.
func matchesAny(names, patterns []string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, name := range names {
		r, err := storage.ParseReference(name)
		if err != nil {
			continue
		}
		for _, form := range []string{r.Familiar(), r.FamiliarName(), r.String(), r.Name()} {
			if slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, form); return ok }) {
				return true
			}
		}
	}
	return false
}

// Tag gives the image that ref names another name as well. An image that had
// the name loses it.
func (s *Store) Tag(ref, name string) error {
	f, err := s.find(ref)
	if err != nil {
		return err
	}
	r, err := storage.ParseReference(name)
	if err != nil {
		return err
	}
	if r.Digest != "" {
		return fmt.Errorf("%w: %q: an image cannot be given a digest as its name", storage.ErrInvalidReference, name)
	}
	if f.ReadOnly {
		return fmt.Errorf("image %s is in an additional store, which is only read: pull it, then tag it", ref)
	}
	if err := s.store.AddNames(f.ID, []string{r.WithDefaultTag().String()}); err != nil {
		return explain(fmt.Errorf("tag %s: %w", name, err))
	}
	s.happened("tag", "sha256:"+f.ID, r.WithDefaultTag().String())
	s.refresh()
	return nil
}

// isUnknownImage reports whether an error of the library means a missing image.
func isUnknownImage(err error) bool {
	return errors.Is(err, cstorage.ErrImageUnknown) || errors.Is(err, cstorage.ErrNotAnImage)
}
