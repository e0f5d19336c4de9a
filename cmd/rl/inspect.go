package main

import (
	"errors"
	"fmt"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/storage/volume"
)

// lookCommands show what there is.
var lookCommands = []command{
	{
		name: "ps", aliases: []string{"container ls", "container list", "container ps"}, group: groupLook,
		summary: "List containers", usage: "[flags]",
		examples: []string{"rl ps -a", "rl ps --filter status=exited --format 'table {{.Names}}\\t{{.Status}}'"},
		new:      func() any { return new(psCmd) },
	},
	{
		name: "inspect", group: groupLook,
		summary: "Show everything about containers, images, volumes and networks", usage: "[flags] NAME [NAME...]",
		examples: []string{"rl inspect web", "rl inspect -f '{{.NetworkSettings.IPAddress}}' web"},
		new:      func() any { return new(inspectCmd) },
	},
	{
		name: "container inspect", group: groupLook,
		summary: "Show everything about containers", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl container inspect web", "rl container inspect -f '{{json .Config.Env}}' web"},
		new:      func() any { return new(containerInspectCmd) },
	},
	{
		name: "port", aliases: []string{"container port"}, group: groupLook,
		summary: "Show where the ports of a container are published", usage: "CONTAINER [PORT[/PROTOCOL]]",
		examples: []string{"rl port web", "rl port web 80"},
		new:      func() any { return new(portCmd) },
	},
	{
		name: "top", aliases: []string{"container top"}, group: groupLook,
		summary: "Show the processes of a container", usage: "CONTAINER [OPTION OF PS...]",
		examples: []string{"rl top web", "rl top web -o pid,rss,args"},
		new:      func() any { return new(topCmd) },
	},
	{
		name: "stats", aliases: []string{"container stats"}, group: groupLook,
		summary: "Show what running containers use, again and again", usage: "[flags] [CONTAINER...]",
		examples: []string{"rl stats", "rl stats --no-stream --format '{{.Name}} {{.MemUsage}}'"},
		new:      func() any { return new(statsCmd) },
	},
}

type inspectFlags struct {
	Format string   `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.State.Status}}'."`
	Size   bool     `short:"s" help:"Add how much containers have written, and their size in all."`
	Names  []string `arg:"" name:"name"`
}

type inspectCmd struct {
	inspectFlags
	Type string `placeholder:"TYPE" help:"Only objects of this type: container, image, network or volume."`
}

type containerInspectCmd struct{ inspectFlags }

func (c *containerInspectCmd) Run(a *app) error {
	return (&inspectCmd{inspectFlags: c.inspectFlags, Type: "container"}).Run(a)
}

// errNoImage is returned for a name that no image has.
var errNoImage = errors.New("no such image")

func (c *inspectCmd) Run(a *app) error {
	switch c.Type {
	case "", "container", "image", "network", "volume":
	default:
		return usagef("--type %q: choose container, image, network or volume", c.Type)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	if !a.inside() {
		if at := c.where(store); at != outside {
			return a.runInside(at, a.args)
		}
	}
	return c.show(a, store)
}

// where finds out which program has to answer: images are for the full one,
// and only inside can the files of mapped ids be counted.
func (c *inspectCmd) where(store runner.Store) where {
	at := outside
	if c.Size {
		at = inside
	}
	if c.Type == "container" || c.Type == "network" || c.Type == "volume" {
		return at
	}
	for _, name := range c.Names {
		if _, err := store.Find(name); c.Type == "image" || errors.Is(err, runner.ErrNotFound) {
			return inFull
		}
	}
	return at
}

func (c *inspectCmd) show(a *app, store runner.Store) error {
	var found []any
	var failed error
	for _, name := range c.Names {
		object, err := c.find(a, store, name)
		if err == nil {
			found = append(found, object)
			continue
		}
		if failed != nil {
			a.warnf("%v", failed)
		}
		failed = err
	}
	if err := format.Values(a.stdout, c.Format, found); err != nil {
		return err
	}
	return failed
}

// find returns what inspect shows of the container, or else the image, or else
// the volume or the network, that is called name.
func (c *inspectCmd) find(a *app, store runner.Store, name string) (any, error) {
	volumes := volume.Store{Data: store.Data}
	if c.Type == "volume" {
		return inspectVolume(volumes, name)
	}
	if c.Type == "network" {
		return inspectNetwork(store, name)
	}
	if c.Type != "image" {
		v, err := store.Find(name)
		if err == nil {
			return c.container(store, v)
		}
		if c.Type == "container" || !errors.Is(err, runner.ErrNotFound) {
			return nil, err
		}
	}
	image, err := a.inspectImage(name)
	if errors.Is(err, errNoImage) && c.Type == "" {
		if v, err := inspectVolume(volumes, name); err == nil {
			return v, nil
		}
		if n, err := inspectNetwork(store, name); err == nil {
			return n, nil
		}
		return nil, fmt.Errorf("no such object: %s", name)
	}
	return image, err
}

func (c *inspectCmd) container(store runner.Store, v runner.View) (any, error) {
	object := docker.NewContainer(store, v)
	if !c.Size {
		return object, nil
	}
	written, err := store.Written(v.ID)
	if err != nil {
		return nil, err
	}
	all := v.RootFS.Size + written
	object.SizeRw, object.SizeRootFs = &written, &all
	return object, nil
}
