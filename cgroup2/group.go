package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Group is a container's control group. The methods of a nil Group, where nothing was
// delegated, return zero values or ErrNoGroup.
type Group struct {
	path string
	dir  *os.File
}

// Open opens the group at a path that Path returned earlier, which may be stored. A group that
// no longer exists is ErrGone.
func Open(path string) (*Group, error) {
	if !strings.HasPrefix(path, Root+"/") || filepath.Clean(path) != path {
		return nil, fmt.Errorf("%q is not a control group's path", path)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil && gone(err) {
		return nil, fmt.Errorf("%w: %s", ErrGone, path)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &Group{path: path, dir: os.NewFile(uintptr(fd), path)}, nil
}

// Of opens the group of a process, which an init system may have moved below
// its container's.
func Of(pid int) (*Group, error) {
	path, err := groupOf(strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return Open(path)
}

// Path is where the group is in the file system of the machine, "" for a nil Group.
func (g *Group) Path() string {
	if g == nil {
		return ""
	}
	return g.path
}

// FD is the group's folder for clone3 with CLONE_INTO_CGROUP, -1 for a nil Group. It stays
// valid until Close and is closed on exec.
func (g *Group) FD() int {
	if g == nil {
		return -1
	}
	return int(g.dir.Fd())
}

// Close closes FD. The group stays.
func (g *Group) Close() error {
	if g == nil {
		return nil
	}
	return g.dir.Close()
}

// Add moves a process into the group, for kernels and callers without CLONE_INTO_CGROUP.
func (g *Group) Add(pid int) error {
	if g == nil {
		return ErrNoGroup
	}
	return addProcess(g.path, pid)
}

// Controllers lists the controllers that work in the group.
func (g *Group) Controllers() []string {
	if g == nil {
		return nil
	}
	list, _ := readList(filepath.Join(g.path, "cgroup.controllers"))
	return list
}

// Update changes the limits that r names and leaves the others. It refuses like Create, and leaves --memory
// to Watch where WatchLimit says so: the caller starts that anew.
func (g *Group) Update(r *specs.LinuxResources) error {
	if err := unsupported(r); err != nil {
		return err
	}
	if missing := Missing(r, g.Controllers()); len(missing) > 0 && !onlyMemory(missing) {
		return &MissingError{Limits: missing, Mode: mounted(Root), Root: hostUID() == 0}
	}
	return g.limit(r)
}

// Refused returns the error that Create would for limits that this machine does not enforce for this user,
// which it has to ask systemd for.
func Refused(ctx context.Context, r *specs.LinuxResources) error {
	if err := unsupported(r); err != nil || len(Missing(r, nil)) == 0 {
		return err
	}
	i := Discover(ctx)
	missing := Missing(r, i.Controllers)
	if len(missing) == 0 || onlyMemory(missing) {
		return nil
	}
	return &MissingError{Limits: missing, Mode: i.Mode, Root: hostUID() == 0, Cause: i.SystemdError}
}

// limit writes the limits whose controllers the group has; the rest was refused or is Watch's.
func (g *Group) limit(r *specs.LinuxResources) error {
	all, err := settings(r)
	if err != nil || g == nil {
		return err
	}
	have := g.Controllers()
	all = slices.DeleteFunc(all, func(s setting) bool { return !slices.Contains(have, s.limit.Controller) })
	return apply(g.path, all)
}

// Processes lists the processes of the group and of those below it.
func (g *Group) Processes() ([]int, error) {
	if g == nil {
		return nil, ErrNoGroup
	}
	return processes(g.path)
}

// Freeze stops every process of the group where it is and waits until all have stopped.
func (g *Group) Freeze(ctx context.Context) error { return g.setFrozen(ctx, "1") }

// Thaw lets the processes go on.
func (g *Group) Thaw(ctx context.Context) error { return g.setFrozen(ctx, "0") }

func (g *Group) setFrozen(ctx context.Context, state string) error {
	if g == nil {
		return ErrNoGroup
	}
	if err := write(g.path, "cgroup.freeze", state); err != nil {
		return err
	}
	return waitEvent(ctx, g.path, "frozen", state)
}

// Frozen tells whether the group is frozen now.
func (g *Group) Frozen() (bool, error) {
	if g == nil {
		return false, nil
	}
	events, err := readKeyed(g.path, "cgroup.events")
	return events["frozen"] == 1, err
}

// populated tells whether any process lives in the group or below it.
func (g *Group) populated() (bool, error) {
	if g == nil {
		return false, nil
	}
	events, err := readKeyed(g.path, "cgroup.events")
	return events["populated"] == 1, err
}

// Kill ends every process of the group, frozen ones too. It does not wait for them.
func (g *Group) Kill() error {
	if g == nil {
		return ErrNoGroup
	}
	return killTree(g.path)
}

// Remove waits until the last process is gone and removes the group with all groups the
// container made below it. It ends nothing: call Kill first. A group that is gone already is no error.
func (g *Group) Remove(ctx context.Context) error {
	if g == nil {
		return nil
	}
	defer g.Close()
	if err := waitEvent(ctx, g.path, "populated", "0"); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	err := removeTree(g.path)
	removeParents(g.path)
	return err
}

// discard undoes makeGroup; nobody is in the group yet.
func (g *Group) discard() error {
	if g == nil {
		return nil
	}
	g.Close()
	err := removeTree(g.path)
	removeParents(g.path)
	return err
}
