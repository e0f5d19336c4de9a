package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/userns"
)

// namespace opens the person's user namespace, and makes rl's folders for what is
// done there. Where there is nothing yet, a command that makes nothing gets a
// namespace that goes away with it, and folders in memory.
func (a *app) namespace() (*userns.Namespace, error) {
	places, err := a.dirs()
	if err != nil {
		return nil, err
	}
	if !a.makes && !places.HasData() {
		ns, err := userns.Passing(places)
		if err != nil {
			return nil, &exitError{exitUsage, err}
		}
		return ns, nil
	}
	if err := places.Make(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	ns, err := userns.Open(places, userns.Options{
		Adopt: func(holder int) error { return cgroup2.Settle(context.Background(), cgroup2.HolderHelper, holder) },
		Warn:  func(line string) { a.warnf("%s", line) },
	})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if places.UID == 0 {
		if err := places.Lend(int(ns.UIDs[0].Host), int(ns.GIDs[0].Host)); err != nil {
			return nil, &exitError{exitUsage, err}
		}
	}
	return ns, nil
}

// storageVars tell containers/storage that the user namespace is there already
// and that it serves an ordinary user.
func storageVars(uid int) []string {
	return []string{"_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID=" + strconv.Itoa(uid)}
}

// runInside runs an rl command line in the user namespace and ends as that does.
func (a *app) runInside(at where, args []string) error {
	return a.runInsideThen(at, args, func() {})
}

// runInsideThen is runInside that calls started once the other process has the
// descriptors it was given.
func (a *app) runInsideThen(at where, args []string, started func()) error {
	started = sync.OnceFunc(started)
	defer started()
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	defer ns.Close()
	program := ""
	if at == inFull {
		if program, err = fullProgram(ns.Places()); err != nil {
			return err
		}
	}
	files, env := []*os.File{a.stdin, a.stdout, a.stderr}, storageVars(a.places.UID)
	lent, about, err := a.lend(ns)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	defer closeFiles(lent)
	if err := a.lendGroup(ns); err != nil {
		return &exitError{exitUsage, err}
	}
	files, env = append(files, lent...), append(env, about...)
	if at == inFull {
		config, about, err := a.lendConfig(ns.Places(), len(files))
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("read the configuration for registries: %w", err)}
		}
		if config != nil {
			defer config.Close()
			files, env = append(files, config), append(env, about...)
		}
	}
	if slices.Contains(registryCommands, args[0]) {
		credentials, err := gatherCredentials(args)
		if err != nil {
			return err
		}
		defer credentials.Close()
		env = append(env, fmt.Sprintf("REGISTRY_AUTH_FILE=/proc/self/fd/%d", len(files)))
		files = append(files, credentials)
	}
	// The child asks to die with the thread that started it.
	runtime.LockOSThread()
	child, err := ns.Start(userns.Command{
		Path:        program,
		Args:        append([]string{"rl"}, args...),
		Env:         env,
		Files:       files,
		Mounts:      true,
		DeathSignal: unix.SIGTERM,
	})
	if err != nil {
		return err
	}
	started()
	forward(child)
	return exitStatus(child)
}

// forward hands signals on to child. Those that a terminal sends reach it as
// well, and must not end this program before it.
func forward(child *process.Child) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		for s := range signals {
			if (s == unix.SIGINT || s == unix.SIGQUIT) && inFront() {
				continue
			}
			child.Signal(s.(syscall.Signal))
		}
	}()
}

// inFront tells whether this process is in the foreground of a terminal, whose
// keys send signals to the whole process group (termios(3), ISIG).
func inFront() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(terminal)
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitStatus waits for child and returns its end as ours.
func exitStatus(child *process.Child) error {
	status, err := child.Wait()
	if err != nil {
		return err
	}
	if status.Signaled() {
		return exitCode(128 + int(status.Signal()))
	}
	return exitCode(status.ExitStatus())
}
