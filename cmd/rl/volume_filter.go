package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/storage/volume"
)

// volumeFilter chooses volumes: of several filters with one name any is enough,
// except that all labels are needed.
type volumeFilter struct {
	asked    map[string][]string
	dangling *bool
	all      bool // of prune: those with names, too
}

// parseVolumeFilter reads filters of which those named are known.
func parseVolumeFilter(words []string, known ...string) (volumeFilter, error) {
	f := volumeFilter{asked: make(map[string][]string)}
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if strings.HasSuffix(name, "!") && name != "label!" || !slices.Contains(known, name) {
			return f, fmt.Errorf("unknown filter %q: there are %s", name, strings.Join(known, ", "))
		}
		if !found || value == "" {
			return f, fmt.Errorf("filter %q is not like %s=VALUE", word, name)
		}
		switch name {
		case "dangling", "all":
			yes, err := parseTruth(value)
			if err != nil {
				return f, fmt.Errorf("filter %q: %w", word, err)
			}
			if name == "all" {
				f.all = yes
			} else {
				f.dangling = &yes
			}
		default:
			f.asked[name] = append(f.asked[name], value)
		}
	}
	return f, nil
}

// parseTruth reads a boolean as Docker's filters take it.
func parseTruth(s string) (bool, error) {
	switch s {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

// users tells what containers use, where the filter asks for it.
func (f volumeFilter) users(s runner.Store) (map[string][]string, error) {
	if f.dangling == nil {
		return nil, nil
	}
	return s.VolumeUsers()
}

func (f volumeFilter) match(v volume.Volume, used bool) bool {
	if f.dangling != nil && *f.dangling == used {
		return false
	}
	if !matchLabels(v.Labels, f.asked["label"], f.asked["label!"]) {
		return false
	}
	for name, have := range map[string]string{"driver": volume.Driver, "name": v.Name} {
		fits := func(want string) bool { return have == want || name == "name" && strings.Contains(have, want) }
		if values := f.asked[name]; len(values) > 0 && !slices.ContainsFunc(values, fits) {
			return false
		}
	}
	return true
}

// matchLabels reports whether labels have all that are wanted, as KEY or
// KEY=VALUE, and none that is unwanted.
func matchLabels(labels map[string]string, wanted, unwanted []string) bool {
	has := func(word string) bool {
		key, want, valued := strings.Cut(word, "=")
		have, ok := labels[key]
		return ok && (!valued || have == want)
	}
	lacks := func(word string) bool { return !has(word) }
	return !slices.ContainsFunc(wanted, lacks) && !slices.ContainsFunc(unwanted, has)
}
