package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/events"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/netd"
	"github.com/rl-project/rl/slirp/network"
)

// hiddenCommands are rl's own processes; a person has no use for them.
var hiddenCommands = []command{
	{name: "monitor", where: inside, bare: true, new: func() any { return new(monitorCmd) }},
	{name: "netd", where: inside, bare: true, new: func() any { return new(netdCmd) }},
	{name: "uplink", where: inFull, new: func() any { return new(uplinkCmd) }},
	{name: "cdi", new: func() any { return new(cdiCmd) }},
	{name: "init", new: func() any { return new(initCmd) }},
	{name: "complete", new: func() any { return new(completeCmd) }},
}

// commandFD is where rl's processes find the connection to what started them.
const commandFD = 3

type monitorCmd struct{}

func (*monitorCmd) Run(a *app) error {
	places, err := a.dirs()
	if err != nil {
		return err
	}
	return runner.Monitor(os.NewFile(commandFD, "command"), places)
}

// netdCmd is the network process. Descriptor 3 is closed when it listens.
// It tries all uplinks, or serves the containers that chose one.
type netdCmd struct{}

func (*netdCmd) Run(a *app) error {
	places, err := a.dirs()
	if err != nil {
		return err
	}
	// All containers need it, not only the one in whose scope it was started.
	// Without a systemd to ask it stays there, and comes back when that ends.
	_ = cgroup2.Settle(context.Background(), cgroup2.NetworkHelper, os.Getpid())
	builtin := func() ([]string, error) {
		program, err := fullProgram(places)
		if program == "" {
			program = "/proc/self/exe"
		}
		return []string{program, "uplink"}, err
	}
	uplinks := a.args[1:]
	return netd.Serve(context.Background(), os.NewFile(commandFD, "ready"), netd.Options{
		RuntimeDir: filepath.Join(places.Runtime, "network", filepath.Join(uplinks...)), Uplinks: uplinks, Builtin: builtin, Log: a.stderr,
		Denied: func(d slirp.Denial) { events.In(places.Data).Write(denialEvent(d)) },
		Taken:  network.Store{Data: places.Data}.Subnets,
	})
}

func denialEvent(d slirp.Denial) events.Event {
	return events.Event{
		Type: events.Container, Action: "egress_denied",
		Actor: events.Actor{ID: d.ID, Attributes: map[string]string{"name": d.Name, "destination": d.Destination}},
	}
}

// uplinkCmd is the built-in uplink; its Run is in the full program.
type uplinkCmd struct {
	Args []string `arg:"" passthrough:"" optional:""`
}

type initCmd struct {
	Args []string `arg:"" passthrough:""`
}

func (c *initCmd) Run(*app) error {
	if runner.Activated() {
		return exitCode(runner.ExecActivated(c.Args[1:]))
	}
	if os.Getpid() != 1 {
		return errors.New("this command is the first process of containers with --init")
	}
	return exitCode(runner.Init(c.Args[1:])) // behind "--"
}
