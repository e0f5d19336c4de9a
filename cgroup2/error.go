package cgroup2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrNoSystemd is wrapped when no systemd of this user answers on D-Bus.
	ErrNoSystemd = errors.New("the user's systemd does not answer")
	// ErrNoGroup is returned for what only a control group can do (pausing, statistics).
	ErrNoGroup = errors.New("the container has no control group of its own")
	// ErrGone is wrapped when a group was removed in the meantime.
	ErrGone = errors.New("control group is gone")
	// ErrParent is wrapped for a place where a container's group cannot be.
	ErrParent = errors.New("control group parent")
	// ErrUnsupported is wrapped for limits that cgroup v2 does not have.
	ErrUnsupported = errors.New("not possible with cgroup v2")
)

// dropIn is the file by which an administrator delegates more controllers to
// all users, and dropInText its content.
const (
	dropIn     = "/etc/systemd/system/user@.service.d/delegate.conf"
	dropInText = "[Service]\nDelegate=cpu cpuset io memory pids\n"
)

// Limit is a requested limit and the controller it needs.
type Limit struct {
	Flag       string // as the user typed it: "--cpus"
	Controller string // "cpu", "cpuset", "io", "memory" or "pids"
}

// MissingError says which limits were refused and what would make them possible.
type MissingError struct {
	Limits []Limit
	Mode   Mode  // how control groups are mounted on this machine
	Root   bool  // the caller is root, so delegation is not what is missing
	Cause  error // why there is no group at all, nil if there is one
}

// Unwrap returns the cause.
func (e *MissingError) Unwrap() error { return e.Cause }

// Controllers lists the missing controllers once each, sorted.
func (e *MissingError) Controllers() []string {
	var names []string
	for _, l := range e.Limits {
		names = append(names, l.Controller)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Flags lists the refused flags once each, in the order of the resources.
func (e *MissingError) Flags() []string {
	var flags []string
	for _, l := range e.Limits {
		if !slices.Contains(flags, l.Flag) {
			flags = append(flags, l.Flag)
		}
	}
	return flags
}

// Error names flags, controllers and the way out on one line.
func (e *MissingError) Error() string {
	noun := "controller"
	if len(e.Controllers()) > 1 {
		noun = "controllers"
	}
	return fmt.Sprintf("cannot enforce %s: cgroup %s %s not available: %s",
		strings.Join(e.Flags(), ", "), noun, strings.Join(e.Controllers(), ", "), e.remedy())
}

// remedy is what an administrator would do.
func (e *MissingError) remedy() string {
	if e.Mode != Unified && e.Root {
		return fmt.Sprintf("this machine has %s; boot it with systemd.unified_cgroup_hierarchy=1", e.Mode)
	}
	if e.Mode != Unified {
		return fmt.Sprintf("this machine has %s; boot it with systemd.unified_cgroup_hierarchy=1, "+
			"then an administrator delegates with %s containing %q", e.Mode, dropIn, oneLine(dropInText))
	}
	if e.Root {
		return "no writable cgroup v2 offers them"
	}
	if errors.Is(e.Cause, ErrNoSystemd) {
		return "the user's systemd does not answer; log in by ssh or on the console, or have it always " +
			"running with loginctl enable-linger (then see rl check)"
	}
	return fmt.Sprintf("not delegated to this user; an administrator adds %s containing %q, "+
		"runs systemctl daemon-reload, and you log in again", dropIn, oneLine(dropInText))
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ") }
