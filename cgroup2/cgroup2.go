// Package cgroup2 gives each container a control group of its own and holds
// it to its limits.
//
// An ordinary user may only use what was delegated. Inside a systemd unit with
// Delegate=yes that is the unit's own group, and the container stays in the
// unit. Anywhere else the user's systemd is asked over D-Bus for a transient
// scope. Where neither exists (cgroup v1, hybrid, no systemd) there is no group:
// limits are refused by name, except --memory, which Watch enforces by sampling.
//
// Layout below a scope, which holds the monitor and the container:
//
//	rl-0123456789ab.scope        no processes here: the kernel forbids a group
//	|-- supervisor               to have both processes and limited children
//	`-- container                the limits; root of the container's cgroup namespace
//
// and below a unit, which the container shares with whatever started it:
//
//	some.service
//	|-- supervisor               everything the unit ran before
//	`-- rl-0123456789ab          the limits
//
// The control files are written here and not by github.com/opencontainers/cgroups:
// it adds 0.25 MB, logrus and cgroup v1 to a program that starts for every command,
// and covers neither D-Bus as an ordinary user in a user namespace nor the
// refusals. D-Bus is spoken with godbus alone: go-systemd opens two
// connections and adds a dispatcher for what is one call and one signal.
//
// Nothing here may be used from inside a container's namespaces: paths are those
// of the caller's mount and cgroup namespace, process ids those of its pid namespace.
package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	supervisorName = "supervisor"
	containerName  = "container"
	prefix         = "rl-"
	idLength       = 12
)

// Options say for which container a group is made and what it may use.
type Options struct {
	// ID is the container's full id; the first twelve characters name the group.
	ID string
	// Resources are the requested limits; nil means none. See Missing for what is read.
	Resources *specs.LinuxResources
	// Parent is where the group goes: the name of a slice where systemd makes the group, such as jobs.slice,
	// and elsewhere a path below the group that is delegated, whose missing folders are made and go again
	// with the last container in them. "" for the usual place.
	Parent string
	// PID is the monitor, as the caller's pid namespace counts. It is moved next to
	// the container, so that it may fork into the container's group.
	PID int
}

// Create makes the container's group, sets its limits and moves the monitor beside it.
//
// It returns nil without an error where nothing is delegated and nothing, or only
// --memory, was asked for: then WatchLimit tells what the monitor has to
// enforce. A container without limits starts even where systemd fails. A limit that cannot be enforced is a *MissingError. What was made
// is removed again when a later step fails; a scope goes with the monitor.
func Create(ctx context.Context, o Options) (*Group, error) {
	if len(o.ID) < idLength {
		return nil, fmt.Errorf("container id %q is shorter than %d characters", o.ID, idLength)
	}
	if err := unsupported(o.Resources); err != nil {
		return nil, err
	}
	m := locate()
	g, err := m.create(ctx, o)
	wanted := o.Parent != "" || len(Missing(o.Resources, nil)) > 0
	if err != nil && wanted && !errors.Is(err, ErrNoSystemd) {
		return nil, err
	}
	if g == nil && o.Parent != "" {
		return nil, noParent(m, o.Parent, err)
	}
	if err := refuse(m, g, o.Resources, err); err != nil {
		return nil, errors.Join(err, g.discard())
	}
	if g == nil {
		return nil, nil
	}
	if err := g.limit(o.Resources); err != nil {
		return nil, errors.Join(err, g.discard())
	}
	return g, nil
}

// create takes the first place on the list that can be had.
func (m machine) create(ctx context.Context, o Options) (*Group, error) {
	switch {
	case m.Mode != Unified:
		return nil, nil
	case m.delegated != "":
		return belowParent(ctx, m.delegated, o.Parent, groupName(o.ID))
	}
	ctx, cancel := context.WithTimeout(ctx, systemdTimeout)
	defer cancel()
	sd, err := connect(ctx, m.uid)
	if err != nil {
		return nil, err
	}
	defer sd.conn.Close()
	if m.unit != "" && sd.delegates(ctx, m.unit) {
		return belowParent(ctx, m.unit, o.Parent, groupName(o.ID))
	}
	if o.Parent != "" && !validSlice(o.Parent) {
		return nil, notSlice(o.Parent)
	}
	home, err := sd.start(ctx, containerScope(m, o))
	if err != nil {
		return nil, err
	}
	return nest(ctx, home, o.PID)
}

// refuse returns the limits that neither the group nor Watch can enforce. Cause is why there is no group.
func refuse(m machine, g *Group, r *specs.LinuxResources, cause error) error {
	missing := Missing(r, g.Controllers())
	if len(missing) == 0 || onlyMemory(missing) {
		return nil
	}
	return &MissingError{Limits: missing, Mode: m.Mode, Root: m.uid == 0, Cause: cause}
}

// groupName is the name of a container's group, and of its scope without the suffix.
func groupName(id string) string { return prefix + id[:min(idLength, len(id))] }

// below makes the container's group directly below a delegated one.
func below(ctx context.Context, parent, name string) (*Group, error) {
	if err := enable(parent); err != nil {
		return nil, err
	}
	return makeGroup(ctx, filepath.Join(parent, name))
}

// nest lays out supervisor and container in home and moves the monitor. Home, a scope, holds the
// monitor already, so controllers are switched on after the move.
func nest(ctx context.Context, home string, pid int) (*Group, error) {
	if err := supervise(home, pid); err != nil {
		return nil, err
	}
	if err := enable(home); err != nil {
		return nil, err
	}
	return makeGroup(ctx, filepath.Join(home, containerName))
}

// supervise moves a process into the supervisor group of home.
func supervise(home string, pid int) error {
	supervisor := filepath.Join(home, supervisorName)
	if err := os.Mkdir(supervisor, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return addProcess(supervisor, pid)
}

// makeGroup makes an empty group. The caller holds the container's lock, so one of the same
// name is what a killed monitor left, and whatever is in it ends.
func makeGroup(ctx context.Context, path string) (*Group, error) {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, os.ErrExist) {
		if err = clear(ctx, path); err == nil {
			err = os.Mkdir(path, 0o755)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	g, err := Open(path)
	if err != nil {
		return nil, errors.Join(err, unix.Rmdir(path))
	}
	return g, nil
}
