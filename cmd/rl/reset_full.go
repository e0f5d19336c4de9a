//go:build !split && containers_image_openpgp

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/storage/store"
	"github.com/rl-project/rl/storage/volume"
)

func (c *resetCmd) Run(a *app) error {
	containers, err := a.store()
	if err != nil {
		return err
	}
	images, err := a.images()
	if err != nil {
		return err
	}
	other, err := images.SharedWith()
	if err != nil {
		return err
	}
	keep := other != "" && !c.Images
	if !c.Force && !a.confirm(resetWarning(cmp.Or(a.places.Chosen, a.places.Data), images.Location().Home, other, keep)) {
		return exitCode(exitCanceled)
	}
	if err := resetContainers(containers); err != nil {
		return err
	}
	if err := resetVolumes(containers); err != nil {
		return err
	}
	if keep {
		a.printf("The images stay: %s uses the store in %s, too. rl system reset --images removes them.\n", other, images.Location().Home)
	} else if err := resetImages(images); err != nil {
		return err
	}
	if a.places.UID == 0 {
		return nil
	}
	return emptyFolder(a.places.Data)
}

func resetWarning(data, home, other string, keep bool) string {
	list := []string{
		"This will remove:", "  - all containers, those that run as well", "  - all volumes and what is in them", "  - all networks",
	}
	switch {
	case keep:
		list = append(list, "  - no images: "+other+" uses the store in "+home+", too")
	case other != "":
		list = append(list, "  - all images, also those of "+other+", which uses the store in "+home+", too")
	default:
		list = append(list, "  - all images")
	}
	return strings.Join(append(list, "  - whatever else is in "+data, ""), "\n")
}

// resetContainers goes on until there is none: another process may still be
// making one.
func resetContainers(s runner.Store) error {
	for {
		views, err := s.List()
		if err != nil {
			return err
		}
		if len(views) == 0 {
			return s.Sweep(context.Background())
		}
		for _, v := range views {
			if err := s.Remove(context.Background(), v.ID, runner.RemoveOptions{Force: true, Volumes: true}); err != nil {
				return fmt.Errorf("remove container %s: %w", v.Name, err)
			}
		}
	}
}

func resetVolumes(s runner.Store) error {
	list, err := volume.Store{Data: s.Data}.List()
	if err != nil {
		return err
	}
	for _, v := range list {
		if err := s.RemoveVolume(v.Name); err != nil && !errors.Is(err, volume.ErrNotFound) {
			return err
		}
	}
	return nil
}

// resetImages removes the images that no container of another program uses.
func resetImages(s *store.Store) error {
	list, err := s.List(store.Filter{})
	if err != nil {
		return err
	}
	for _, img := range list {
		if img.ReadOnly || img.Containers > 0 {
			continue
		}
		if _, err := s.Remove(img.ID, true); err != nil && !errors.Is(err, store.ErrNoSuchImage) && !errors.Is(err, store.ErrInUse) {
			return err
		}
	}
	return nil
}

// emptyFolder removes what is in rl's data folder, for an ordinary user: files
// of mapped ids can only be removed here. Real root can remove them outside.
func emptyFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
