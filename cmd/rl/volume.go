package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage/volume"
)

// volumeCommands work on volumes. What changes them runs in the user namespace,
// whose ids own their files.
var volumeCommands = []command{
	{
		name: "volume create", group: groupVolumes, makes: true, rehearsed: true, where: inside,
		summary: "Create a volume", usage: "[flags] [VOLUME]",
		examples: []string{"rl volume create data", "rl volume create --opt type=none --opt o=bind --opt device=/srv/data data"},
		new:      func() any { return new(volumeCreateCmd) },
	},
	{
		name: "volume ls", aliases: []string{"volume list"}, group: groupVolumes,
		summary: "List volumes", usage: "[flags]",
		examples: []string{"rl volume ls", "rl volume ls -q --filter dangling=true"},
		new:      func() any { return new(volumeLsCmd) },
	},
	{
		name: "volume inspect", group: groupVolumes,
		summary: "Show everything about volumes", usage: "[flags] VOLUME [VOLUME...]",
		examples: []string{"rl volume inspect data", "rl volume inspect -f '{{.Mountpoint}}' data"},
		new:      func() any { return new(volumeInspectCmd) },
	},
	{
		name: "volume rm", aliases: []string{"volume remove"}, group: groupVolumes, where: inside,
		summary: "Remove volumes that no container uses", usage: "[flags] VOLUME [VOLUME...]",
		examples: []string{"rl volume rm data", "rl volume rm $(rl volume ls -q --filter dangling=true)"},
		new:      func() any { return new(volumeRmCmd) },
	},
	{
		name: "volume prune", group: groupVolumes, where: inside,
		summary: "Remove all volumes that no container uses", usage: "[flags]",
		examples: []string{"rl volume prune", "rl volume prune -af --filter label=test"},
		new:      func() any { return new(volumePruneCmd) },
	},
}

type volumeCreateCmd struct {
	Driver string   `short:"d" default:"local" placeholder:"DRIVER" help:"Only local exists."`
	Label  []string `sep:"none" placeholder:"KEY=VALUE" help:"Add a label."`
	Opt    []string `short:"o" sep:"none" placeholder:"KEY=VALUE" help:"type=none, o=bind and device=FOLDER make it stand for a folder of yours."`
	Name   string   `hidden:"" help:"The volume's name, as scripts for an older Docker give it."`
	Volume string   `arg:"" optional:""`
}

func (c *volumeCreateCmd) Run(a *app) error {
	want, err := c.volume()
	if err != nil {
		return usagef("%w", err)
	}
	store, err := a.volumes()
	if err != nil {
		return err
	}
	made, err := store.Create(want)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if !a.rehearsing() {
		a.printf("%s\n", made.Name)
	}
	return nil
}

func (c *volumeCreateCmd) volume() (volume.Volume, error) {
	if c.Name != "" && c.Volume != "" {
		return volume.Volume{}, errors.New("two names: give one, without --name")
	}
	v := volume.Volume{Name: cmp.Or(c.Name, c.Volume)}
	if c.Driver != volume.Driver {
		return v, fmt.Errorf("--driver %q: only local volumes exist without root", c.Driver)
	}
	if v.Name == "" {
		v.Name, v.Anonymous = volume.NewName(), true
	}
	if len(c.Label) > 0 {
		v.Labels = make(map[string]string)
	}
	if err := spec.ParseLabels(v.Labels, "--label", c.Label); err != nil {
		return v, err
	}
	for _, word := range c.Opt {
		key, value, found := strings.Cut(word, "=")
		if !found || key == "" {
			return v, fmt.Errorf("--opt %q is not like KEY=VALUE", word)
		}
		if v.Options == nil {
			v.Options = make(map[string]string)
		}
		v.Options[key] = value
	}
	return v, nil
}

// volumes returns the person's volumes.
func (a *app) volumes() (volume.Store, error) {
	places, err := a.dirs()
	return volume.Store{Data: places.Data}, err
}

type volumeLsCmd struct {
	Filter []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only volumes with this: dangling, driver, label, name."`
	Format string   `placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.Name}}'."`
	Quiet  bool     `short:"q" help:"Print only names."`
}

func (c *volumeLsCmd) Run(a *app) error {
	filter, err := parseVolumeFilter(c.Filter, "dangling", "driver", "label", "name")
	if err != nil {
		return usagef("%w", err)
	}
	containers, err := a.store()
	if err != nil {
		return err
	}
	list, failed := volume.Store{Data: a.places.Data}.List()
	users, err := filter.users(containers)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(v volume.Volume) bool { return !filter.match(v, len(users[v.Name]) > 0) })
	rows := make([]volumeRow, len(list))
	for i, v := range list {
		rows[i] = newVolumeRow(volume.Store{Data: a.places.Data}, v)
	}
	if c.Quiet && c.Format == "" {
		c.Format = "{{.Name}}"
	}
	if err := format.List(a.stdout, c.Format, `{{.Driver}}\t{{.Name}}`, volumeHeader, rows); err != nil {
		return err
	}
	return failed
}

// volumeRow has the columns of `volume ls` and of `system df -v`.
type volumeRow struct {
	Availability, Driver, Group, Labels, Links, Mountpoint, Name, Scope, Size, Status string
	labels                                                                            map[string]string
}

var volumeHeader = volumeRow{
	Availability: "AVAILABILITY", Driver: "DRIVER", Group: "GROUP", Labels: "LABELS", Links: "LINKS",
	Mountpoint: "MOUNTPOINT", Name: "VOLUME NAME", Scope: "SCOPE", Size: "SIZE", Status: "STATUS",
}

// Label returns the value of one label; in the header, its name.
func (r volumeRow) Label(name string) string {
	if r.Name == volumeHeader.Name {
		return strings.ToUpper(name)
	}
	return r.labels[name]
}

func newVolumeRow(s volume.Store, v volume.Volume) volumeRow {
	return volumeRow{
		Availability: "N/A", Driver: volume.Driver, Group: "N/A", Labels: joinLabels(v.Labels), Links: "N/A",
		Mountpoint: s.Mountpoint(v.Name), Name: v.Name, Scope: "local", Size: "N/A", Status: "N/A", labels: v.Labels,
	}
}

// joinLabels writes labels as tables show them, in the order of their names.
func joinLabels(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for key, value := range labels {
		words = append(words, key+"="+value)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

type volumeInspectCmd struct {
	Format  string   `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.Mountpoint}}'."`
	Volumes []string `arg:""`
}

// volumeInspection is what inspect shows; the names are Docker's.
type volumeInspection struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

func inspectVolume(s volume.Store, name string) (any, error) {
	v, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	return volumeInspection{
		CreatedAt: v.Created.Format("2006-01-02T15:04:05Z07:00"), Driver: volume.Driver, Labels: v.Labels,
		Mountpoint: s.Mountpoint(name), Name: name, Options: v.Options, Scope: "local",
	}, nil
}

func (c *volumeInspectCmd) Run(a *app) error {
	store, err := a.volumes()
	if err != nil {
		return err
	}
	var found []any
	var failed []error
	for _, name := range c.Volumes {
		v, err := inspectVolume(store, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		found = append(found, v)
	}
	if err := format.Values(a.stdout, c.Format, found); err != nil {
		return err
	}
	return errors.Join(failed...)
}

type volumeRmCmd struct {
	Force   bool     `short:"f" help:"Say nothing of volumes that do not exist."`
	Volumes []string `arg:""`
}

func (c *volumeRmCmd) Run(a *app) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	failed := false
	for _, name := range c.Volumes {
		err := store.RemoveVolume(name)
		if err != nil && !(c.Force && errors.Is(err, volume.ErrNotFound)) {
			a.warnf("%v", err)
			failed = true
			continue
		}
		a.printf("%s\n", name)
	}
	if err := store.Sweep(context.Background()); err != nil {
		return err
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}

// volumeNames lists volumes for completion.
func (a *app) volumeNames() []candidate {
	store, err := a.volumes()
	if err != nil {
		return nil
	}
	volumes, _ := store.List() // some are better than none
	var list []candidate
	for _, v := range volumes {
		list = append(list, candidate{v.Name, joinLabels(v.Labels)})
	}
	return list
}
