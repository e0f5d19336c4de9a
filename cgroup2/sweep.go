package cgroup2

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Sweep removes the groups of containers that are gone: what remains when a monitor is killed before it could
// clean up. live is asked with the first twelve characters of the container's id and has to say yes from before
// Create is called. A group with processes in it stays: it may be that of a container which another folder of
// the same person knows. Looked at are the places where Create makes groups for the caller now; groups below
// a unit that has ended went with it.
func Sweep(ctx context.Context, live func(id string) bool) error {
	var errs []error
	for _, dir := range withParents(locate().places()) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a place that does not exist holds nothing
		}
		for _, e := range entries {
			id, ok := containerOf(e.Name())
			path := filepath.Join(dir, e.Name())
			scope := strings.HasSuffix(path, scopeSuffix) // systemd removes those that are empty
			if !e.IsDir() || !ok || scope || live(id) || populated(path) {
				continue
			}
			if err := removeTree(path); !errors.Is(err, unix.EBUSY) {
				errs = append(errs, ignoreGone(err))
			}
			removeParents(path)
		}
	}
	return errors.Join(errs...)
}

// withParents adds the folders below places that --cgroup-parent may have named: what is neither a unit of
// systemd's nor a group of rl's own.
func withParents(places []string) []string {
	var all []string
	for _, place := range places {
		all = append(all, place)
		entries, _ := os.ReadDir(place)
		for _, e := range entries {
			if e.IsDir() && filepath.Ext(e.Name()) == "" && e.Name() != supervisorName && !strings.HasPrefix(e.Name(), prefix) {
				all = append(all, withParents([]string{filepath.Join(place, e.Name())})...)
			}
		}
	}
	return all
}

// populated reports whether a group, or one below it, has processes.
func populated(path string) bool {
	g, err := Open(path)
	if err != nil {
		return false
	}
	defer g.Close()
	yes, err := g.populated()
	return yes && err == nil
}

// places are the folders in which groups of the caller's containers can lie.
func (m machine) places() []string {
	switch {
	case m.Mode != Unified:
		return nil
	case m.delegated != "":
		return []string{m.delegated}
	case m.uid == 0:
		return []string{filepath.Join(Root, "system.slice")}
	}
	if m.unit != "" {
		return []string{userSlice(m.uid), m.unit}
	}
	return []string{userSlice(m.uid)}
}

// containerOf reads the id out of a group's or a scope's name.
func containerOf(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(strings.TrimSuffix(name, scopeSuffix), prefix)
	if !ok || len(id) != idLength || strings.Trim(id, "0123456789abcdef") != "" {
		return "", false
	}
	return id, true
}

// clear ends what is left in a group and removes it. A scope is systemd's to remove, which it does
// as soon as nobody is in it.
func clear(ctx context.Context, dir string) error {
	if err := killTree(dir); err != nil {
		return ignoreGone(err)
	}
	if err := waitEvent(ctx, dir, "populated", "0"); err != nil {
		return ignoreGone(err)
	}
	if strings.HasSuffix(dir, scopeSuffix) {
		return nil
	}
	return removeTree(dir)
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
