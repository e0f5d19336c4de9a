package cgroup2

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	systemdTimeout = 30 * time.Second // for one start; a healthy systemd takes milliseconds
	settleTimeout  = 20 * time.Second // for a helper, which can do without; busy machines take seconds
	stopTimeout    = 20 * time.Second // twice Docker's default time to stop
	scopeSuffix    = ".scope"
	lentPrefix     = prefix + "lent-"
)

// scope is a scope to be started for a process.
type scope struct {
	name       string
	pid        int
	subgroup   string // where the process goes when the scope is there already
	properties []property
}

// containerScope describes a container's scope. What a service starts ends with it, in a scope of
// its own too, hence BindsTo. There is no After: a oneshot service is still starting while it runs the
// caller, and a scope ordered after it would wait for ever.
func containerScope(m machine, o Options) scope {
	s := monitorScope(groupName(o.ID), "rl container "+o.ID[:idLength], o.PID)
	if unit := filepath.Base(m.unit); isService(unit) {
		s.properties = append(s.properties, set("BindsTo", []string{unit}))
	}
	return inSlice(s, o.Parent)
}

// inSlice puts a scope into a slice, "" for systemd's own choice.
func inSlice(s scope, slice string) scope {
	if slice != "" {
		s.properties = append(s.properties, set("Slice", slice))
	}
	return s
}

// monitorScope describes a delegated scope for a monitor and its container. At a logout it is stopped
// before the network, as the reverse of After: the monitor would start a new one.
func monitorScope(name, description string, pid int) scope {
	return scope{name: name + scopeSuffix, pid: pid, subgroup: "/" + supervisorName, properties: []property{
		set("Description", description),
		set("PIDs", []uint32{uint32(pid)}),
		set("Delegate", true),
		set("After", []string{helperScopeName(NetworkHelper)}),
		set("CollectMode", "inactive-or-failed"),
		set("TimeoutStopUSec", uint64(stopTimeout.Microseconds())),
	}}
}

// Names of helpers for Settle.
const (
	HolderHelper  = "holder"  // keeps the user namespace
	NetworkHelper = "network" // serves the network of all containers
)

func helperScopeName(name string) string { return prefix + name + scopeSuffix }

// helperScope describes the scope of a process that serves all containers of the user.
func helperScope(name string, pid int) scope {
	return scope{name: helperScopeName(name), pid: pid, properties: []property{
		set("Description", "rl "+name),
		set("PIDs", []uint32{uint32(pid)}),
		set("CollectMode", "inactive-or-failed"),
	}}
}

// Settle moves a process that serves all containers of the user, such as the holder of the user
// namespace, out of the session, service or container that happened to start it and into a scope
// rl-NAME.scope, so that it lives as long as the user's systemd. Name has only lower case letters.
// It takes at most twenty seconds, where systemd hangs.
// Where no systemd answers the error wraps ErrNoSystemd and the process stays where it is.
func Settle(ctx context.Context, name string, pid int) error {
	m := machine{Mode: mounted(Root), uid: hostUID()}
	if m.Mode != Unified {
		return fmt.Errorf("%w: this machine has %s", ErrNoSystemd, m.Mode)
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	sd, err := connect(ctx, m.uid)
	if err != nil {
		return err
	}
	defer sd.conn.Close()
	_, err = sd.start(ctx, helperScope(name, pid))
	return err
}

// Lend has root give a monitor that runs as another user, root of the user namespace, a group below
// which it can Create the container's. It is called before the monitor does. The group is a scope
// of the system's systemd, or where there is none lies at the top of the tree. Parent is as in Options, and
// not for Create too.
func Lend(ctx context.Context, pid, uid, gid int, parent string) error {
	m := locate()
	if m.Mode != Unified && parent != "" {
		return noParent(m, parent, nil)
	}
	if m.Mode != Unified {
		return nil // Create will say so
	}
	home, err := m.lendable(ctx, lentPrefix+strings.ToLower(rand.Text()[:8]), pid, parent)
	if err != nil {
		return err
	}
	return giveAway(uid, gid, home, filepath.Join(home, supervisorName))
}

// lendable makes a group with the monitor in its supervisor.
func (m machine) lendable(ctx context.Context, name string, pid int, parent string) (string, error) {
	if m.delegated != "" {
		dirs, err := parentDirs(m.delegated, parent)
		if err != nil {
			return "", err
		}
		return lendBelow(append([]string{m.delegated}, dirs...), name, pid)
	}
	if parent != "" && !validSlice(parent) {
		return "", notSlice(parent)
	}
	ctx, cancel := context.WithTimeout(ctx, systemdTimeout)
	defer cancel()
	sd, err := connect(ctx, m.uid)
	if err != nil {
		return "", err
	}
	defer sd.conn.Close()
	home, err := sd.start(ctx, inSlice(monitorScope(name, "rl container", pid), parent))
	if err != nil {
		return "", err
	}
	return home, supervise(home, pid)
}

// lendBelow makes the group where no systemd will remove it: it removes those whose monitors have
// ended. The lock keeps two callers from removing what the other has just made. The first of dirs is there, the
// others are parents to be made; the group goes into the last.
func lendBelow(dirs []string, name string, pid int) (string, error) {
	lock, err := os.Open(dirs[0])
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", os.NewSyscallError("flock", err)
	}
	for _, dir := range withParents(dirs[:1]) {
		removeReturned(dir)
	}
	if err := makeParents(dirs); err != nil {
		return "", err
	}
	parent := dirs[len(dirs)-1]
	if err := enable(parent); err != nil {
		return "", err
	}
	home := filepath.Join(parent, name)
	if err := os.Mkdir(home, 0o755); err != nil {
		return "", err
	}
	return home, supervise(home, pid)
}

// removeReturned removes lent groups in which nobody is left; the kernel refuses the others.
func removeReturned(parent string) {
	lent, _ := filepath.Glob(filepath.Join(parent, lentPrefix+"*"))
	for _, home := range lent {
		if events, err := readKeyed(home, "cgroup.events"); err == nil && events["populated"] == 0 {
			_ = removeTree(home)
			removeParents(home)
		}
	}
}

// giveAway makes another user the owner of groups, with the files the kernel lists for that
// (/sys/kernel/cgroup/delegate) but those of resources.
func giveAway(uid, gid int, groups ...string) error {
	for _, dir := range groups {
		for _, f := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
			err := os.Lchown(filepath.Join(dir, f), uid, gid)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
