//go:build !split && containers_image_openpgp

package main

import (
	"strings"
)

// runInside removes the images; the question has been answered outside.
func (c *imagePruneCmd) runInside(a *app) error {
	var words []string
	for _, f := range c.Filter {
		// Docker's other word for the flag --all.
		if value, ok := strings.CutPrefix(f, "dangling="); ok {
			c.All = value == "false" || value == "0"
			continue
		}
		words = append(words, f)
	}
	filter, err := imageFilter(words)
	if err != nil {
		return usagef("%w", err)
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	removed, failed := s.Prune(filter, c.All)
	done := pruned{title: "Deleted Images:", bytes: removed.Reclaimed}
	for _, name := range removed.Untagged {
		done.lines = append(done.lines, "untagged: "+familiar(name))
	}
	for _, id := range removed.Deleted {
		done.lines = append(done.lines, "deleted: "+id)
	}
	a.printPruned(done)
	return failed
}
