//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rl-project/rl/storage/store"
)

// Run goes from what uses to what is used: a container that is gone frees its
// volumes and its image.
func (c *systemPruneCmd) Run(a *app) error {
	filter, err := c.check(time.Now())
	if err != nil {
		return usagef("%w", err)
	}
	if !c.Force && !a.confirm(c.warning(filter)) {
		return nil
	}
	done, failed := a.pruneContainers(filter)
	all := []pruned{done}
	done, err = a.pruneNetworks(filter)
	all, failed = append(all, done), errors.Join(failed, err)
	if c.Volumes {
		done, err := a.pruneVolumes(volumeFilter{asked: map[string][]string{"label": filter.labels, "label!": filter.notLabels}})
		all, failed = append(all, done), errors.Join(failed, err)
	}
	done, err = a.pruneImages(filter, c.All)
	all, failed = append(all, done), errors.Join(failed, err)
	if !filter.byLabel() {
		done, err := pruneBuildCache(a.places.Data, filter.until, nil)
		all, failed = append(all, done), errors.Join(failed, err)
	}
	a.printPruned(all...)
	return failed
}

// pruneImages removes images that no container uses: those without a name, or
// with all every one.
func (a *app) pruneImages(f pruneFilter, all bool) (pruned, error) {
	done := pruned{title: "Deleted Images:"}
	s, err := a.images()
	if err != nil {
		return done, err
	}
	var chosen store.Filter
	if dangling := true; !all {
		chosen.Dangling = &dangling
	}
	before, err := s.Usage()
	if err != nil {
		return done, err
	}
	list, err := s.List(chosen)
	failed := []error{err}
	for _, img := range list {
		if img.Containers > 0 || img.ReadOnly || !f.match(img.Labels, img.Created) {
			continue
		}
		removed, err := s.Remove(img.ID, true)
		if err != nil && !errors.Is(err, store.ErrInUse) && !errors.Is(err, store.ErrNoSuchImage) {
			failed = append(failed, err)
		}
		for _, name := range removed.Untagged {
			done.lines = append(done.lines, "untagged: "+familiar(name))
		}
		for _, id := range removed.Deleted {
			done.lines = append(done.lines, "deleted: "+id)
		}
	}
	_, err = s.RemoveLeftovers()
	failed = append(failed, err)
	after, err := s.Usage()
	done.bytes = max(before.Layers-after.Layers, 0)
	return done, errors.Join(append(failed, err)...)
}

// check reads the filters.
func (c *systemPruneCmd) check(now time.Time) (pruneFilter, error) {
	f, err := parsePruneFilter(c.Filter, now)
	if err == nil && c.Volumes && !f.until.IsZero() {
		err = fmt.Errorf("the filter until is not for --volumes: nobody knows when a volume was used")
	}
	return f, err
}

// warning says what will be removed, in Docker's words.
func (c *systemPruneCmd) warning(filter pruneFilter) string {
	list := []string{
		"This will remove:", "  - all stopped containers", "  - all networks not used by at least one container",
	}
	if c.Volumes {
		list = append(list, "  - all anonymous volumes not used by at least one container")
	}
	if c.All {
		list = append(list, "  - all images without at least one container associated to them")
	} else {
		list = append(list, "  - all dangling images")
	}
	if !filter.byLabel() {
		list = append(list, "  - unused build cache")
	}
	if len(c.Filter) > 0 {
		list = append(list, "", "  Items to be pruned will be filtered with:")
		for _, word := range slices.Sorted(slices.Values(c.Filter)) {
			list = append(list, "  - "+word)
		}
	}
	return strings.Join(append(list, ""), "\n")
}

// byLabel reports whether only what has labels is chosen from: results of build
// steps have none.
func (f pruneFilter) byLabel() bool { return len(f.labels)+len(f.notLabels) > 0 }
