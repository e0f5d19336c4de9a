package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/userns"
)

// Exit codes that rl itself returns, as Docker's command line does: usage is
// for whatever rl refuses to begin, failed for a command that was begun.
const (
	exitFailed = 1
	exitUsage  = 125
)

// app is what every command is given: the caller's stdio and rl's folders.
type app struct {
	stdin, stdout, stderr *os.File
	args                  []string // the command's own arguments, its name first
	places                dirs.Dirs
	early                 *runner.Early     // a monitor that was started already, or nil
	joined                *userns.Namespace // where that is
	sockets               runner.Sockets    // that systemd has handed to this process
	lent                  lender            // the command, if it has files to hand down, or nil
	makes                 bool              // the command may make what is not there yet
}

// exitError ends rl with a code; err, if any, is printed first.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef makes the error for bad input: one line, exit code 125.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode makes rl end with code without printing anything.
func exitCode(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// run executes one rl command line and returns its exit code.
func run(a *app, argv []string) int {
	err := dispatch(a, argv[1:])
	if err == nil {
		return 0
	}
	code := exitFailed
	exit, template := new(exitError), new(format.Error)
	if errors.As(err, &template) {
		code = exitUsage
	}
	if errors.As(err, &exit) {
		code = exit.code
		if exit.err == nil {
			return code
		}
	}
	fmt.Fprintf(a.stderr, "rl: %s\n", strings.TrimSpace(err.Error()))
	return code
}

// dirs returns rl's folders, which need not be there; see namespace.
func (a *app) dirs() (dirs.Dirs, error) {
	if a.places.Data != "" {
		return a.places, nil
	}
	open := dirs.Choose
	if a.inside() {
		open = dirs.Inherited
	}
	d, err := open()
	if err == nil && d.Chosen != "" {
		_, err = dirs.MountPassing()
	}
	if err != nil {
		return d, &exitError{exitUsage, err}
	}
	a.places = d
	if a.inside() {
		return d, nil
	}
	return d, leaveRuntimeDir(d.UID)
}

// leaveRuntimeDir replaces the XDG_RUNTIME_DIR of somebody else, which su and
// sudo leave in the environment, by the person's own: libraries and other
// programs believe it.
func leaveRuntimeDir(uid int) error {
	dir, own := os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", uid)
	if dir != "" && owner(dir) == uid {
		return nil
	}
	if owner(own) != uid {
		return os.Unsetenv("XDG_RUNTIME_DIR")
	}
	return os.Setenv("XDG_RUNTIME_DIR", own)
}

// owner is whose a folder is, -1 for one that cannot be seen.
func owner(dir string) int {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return -1
	}
	return int(st.Uid)
}

// inside reports whether rl started this process in its user namespace.
func (a *app) inside() bool { _, err := dirs.Inherited(); return err == nil }

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }
func (a *app) warnf(format string, args ...any)  { fmt.Fprintf(a.stderr, "rl: "+format+"\n", args...) }
