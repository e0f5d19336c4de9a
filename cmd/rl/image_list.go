//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// runFull lists the images of the store itself.
func (c *imagesCmd) runFull(a *app) error {
	filter, err := imageFilter(c.Filter)
	if err != nil {
		return usagef("%w", err)
	}
	if c.Name != "" {
		filter.References = append(filter.References, c.Name)
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	list, err := s.List(filter)
	if err != nil {
		return err
	}
	return c.print(a, list, filter.Matches)
}

// imageFilter reads the filters of `images`.
func imageFilter(filters []string) (store.Filter, error) {
	var f store.Filter
	for _, one := range filters {
		key, value, ok := strings.Cut(one, "=")
		if !ok {
			return f, fmt.Errorf("filter %q is not like KEY=VALUE", one)
		}
		switch key {
		case "dangling":
			dangling, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("filter %q: true or false is meant", one)
			}
			f.Dangling = &dangling
		case "label":
			f.Labels = append(f.Labels, value)
		case "reference":
			if _, err := path.Match(value, ""); err != nil {
				return f, fmt.Errorf("filter %q: %w", one, err)
			}
			f.References = append(f.References, value)
		case "before":
			f.Before = value
		case "since":
			f.Since = value
		case "label!":
			f.Without = append(f.Without, value)
		case "until":
			until, err := parseTimestamp(value, time.Now())
			if err != nil {
				return f, fmt.Errorf("filter %q: %w", one, err)
			}
			f.Until = until
		default:
			return f, fmt.Errorf("filter %q: images can be filtered by dangling, label, label!, reference, before, since and until", one)
		}
	}
	return f, nil
}

func (c *imageInspectCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	var found []store.Inspection
	failed := a.eachImage(c.Images, func(name string) error {
		i, err := s.Inspect(name, c.Platform)
		if err == nil {
			found = append(found, i)
		}
		return err
	})
	if err := format.Values(a.stdout, c.Format, found); err != nil {
		return err
	}
	return failed
}

// inspectImage is for `inspect`, which takes containers and images.
func (a *app) inspectImage(name string) (any, error) {
	s, err := a.images()
	if err != nil {
		return nil, err
	}
	i, err := s.Inspect(name, "")
	if errors.Is(err, store.ErrNoSuchImage) {
		return nil, fmt.Errorf("%w: %s", errNoImage, name)
	}
	return i, err
}

func (c *rmiCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	return a.eachImage(c.Images, func(name string) error {
		removed, err := s.Remove(name, c.Force)
		for _, n := range removed.Untagged {
			a.printf("Untagged: %s\n", familiar(n))
		}
		for _, id := range removed.Deleted {
			a.printf("Deleted: %s\n", id)
		}
		if c.Force && errors.Is(err, store.ErrNoSuchImage) {
			a.warnf("%v", err) // as Docker: what is to be gone is gone
			return nil
		}
		return err
	})
}

func (c *tagCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	return wrongInput(s.Tag(c.Image, c.Name))
}

func familiar(name string) string {
	r, err := storage.ParseReference(name)
	if err != nil {
		return name
	}
	return r.Familiar()
}
