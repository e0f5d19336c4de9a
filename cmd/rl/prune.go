package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"github.com/rl-project/rl/internal/treesize"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/storage/volume"
)

var pruneCommands = []command{
	{
		name: "container prune", group: groupRun, where: inside,
		summary: "Remove all containers that do not run", usage: "[flags]",
		examples: []string{"rl container prune", "rl container prune -f --filter until=24h"},
		new:      func() any { return new(containerPruneCmd) },
	},
}

// confirm asks whether to go on, after a warning. Anything but a yes is a no.
func (a *app) confirm(warning string) bool {
	a.printf("WARNING! %s\nAre you sure you want to continue? [y/N] ", warning)
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y") || strings.EqualFold(strings.TrimSpace(answer), "yes")
}

// pruned is what one kind of prune has removed.
type pruned struct {
	title string // "Deleted Containers:"
	lines []string
	bytes int64
}

// printPruned prints what was removed as Docker does.
func (a *app) printPruned(all ...pruned) {
	var total int64
	for _, p := range all {
		total += p.bytes
		if len(p.lines) > 0 {
			a.printf("%s\n%s\n\n", p.title, strings.Join(p.lines, "\n"))
		}
	}
	a.printf("Total reclaimed space: %s\n", units.HumanSize(float64(total)))
}

type containerPruneCmd struct {
	Force  bool     `short:"f" help:"Do not ask."`
	Filter []string `sep:"none" placeholder:"KEY=VALUE" help:"Only containers with this: label, label!, until (made before that time)."`
}

func (c *containerPruneCmd) Run(a *app) error {
	filter, err := parsePruneFilter(c.Filter, time.Now())
	if err != nil {
		return usagef("%w", err)
	}
	if !c.Force && !a.confirm("This will remove all stopped containers.") {
		return nil
	}
	done, err := a.pruneContainers(filter)
	a.printPruned(done)
	return err
}

// pruneFilter chooses what is pruned.
type pruneFilter struct {
	labels, notLabels []string
	until             time.Time // zero for any age
}

// parsePruneFilter reads the filters of `container prune` and `system prune`.
func parsePruneFilter(words []string, now time.Time) (f pruneFilter, err error) {
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if !slices.Contains([]string{"label", "label!", "until"}, name) {
			return f, fmt.Errorf("unknown filter %q: there are label, label!, until", name)
		}
		if !found || value == "" {
			return f, fmt.Errorf("filter %q is not like %s=VALUE", word, name)
		}
		switch name {
		case "label":
			f.labels = append(f.labels, value)
		case "label!":
			f.notLabels = append(f.notLabels, value)
		case "until":
			if !f.until.IsZero() {
				return f, errors.New("filter until: give one time")
			}
			if f.until, err = parseTimestamp(value, now); err != nil {
				return f, fmt.Errorf("filter %q: %w", word, err)
			}
		}
	}
	return f, nil
}

func (f pruneFilter) match(labels map[string]string, created time.Time) bool {
	return matchLabels(labels, f.labels, f.notLabels) && (f.until.IsZero() || created.Before(f.until))
}

// pruneContainers removes the containers that do not run, and what killed
// processes of rl have left.
func (a *app) pruneContainers(f pruneFilter) (pruned, error) {
	done := pruned{title: "Deleted Containers:"}
	store, err := a.store()
	if err != nil {
		return done, err
	}
	views, err := store.List()
	failed := []error{err}
	for _, v := range views {
		if v.Status != runner.Exited && v.Status != runner.Created || !f.match(v.Config.Labels, v.Created) {
			continue
		}
		size, _ := store.Written(v.ID)
		switch err := store.Remove(context.Background(), v.ID, runner.RemoveOptions{}); {
		case errors.Is(err, runner.ErrRunning): // started meanwhile
		case err != nil:
			failed = append(failed, err)
		default:
			done.lines, done.bytes = append(done.lines, v.ID), done.bytes+size
		}
	}
	failed = append(failed, store.Sweep(context.Background()))
	return done, errors.Join(failed...)
}

type volumePruneCmd struct {
	All    bool     `short:"a" help:"Those with names, too, not only anonymous ones."`
	Force  bool     `short:"f" help:"Do not ask."`
	Filter []string `sep:"none" placeholder:"KEY=VALUE" help:"Only volumes with this: all, label, label!."`
}

func (c *volumePruneCmd) Run(a *app) error {
	filter, err := parseVolumeFilter(c.Filter, "all", "label", "label!")
	if err != nil {
		return usagef("%w", err)
	}
	filter.all = filter.all || c.All
	kind := "anonymous local"
	if filter.all {
		kind = "local"
	}
	if !c.Force && !a.confirm("This will remove all "+kind+" volumes not used by at least one container.") {
		return nil
	}
	done, err := a.pruneVolumes(filter)
	a.printPruned(done)
	return err
}

// pruneVolumes removes volumes that no container uses.
func (a *app) pruneVolumes(f volumeFilter) (pruned, error) {
	done := pruned{title: "Deleted Volumes:"}
	store, err := a.store()
	if err != nil {
		return done, err
	}
	volumes := volume.Store{Data: store.Data}
	users, err := store.VolumeUsers()
	if err != nil {
		return done, err
	}
	list, err := volumes.List()
	failed := []error{err}
	for _, v := range list {
		if !v.Anonymous && !f.all || len(users[v.Name]) > 0 || !f.match(v, false) {
			continue
		}
		size, _ := treesize.Bytes(volumes.Mountpoint(v.Name))
		switch err := store.RemoveVolume(v.Name); {
		case errors.Is(err, volume.ErrInUse), errors.Is(err, volume.ErrNotFound): // meanwhile
		case err != nil:
			failed = append(failed, err)
		default:
			done.lines, done.bytes = append(done.lines, v.Name), done.bytes+size
		}
	}
	failed = append(failed, store.Sweep(context.Background()))
	return done, errors.Join(failed...)
}
