package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/systemd"
)

// supervised reports whether this process is the main one of a unit of
// systemd's that waits to be told when it is ready (sd_notify(3)).
func supervised() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// ready tells systemd, where there is one to be told, that the container runs
// or is healthy, as its --sdnotify says.
func (a *app) ready(session *runner.Session, mode string) error {
	if !supervised() || mode == spec.NotifyContainer || mode == spec.NotifyIgnore {
		return nil
	}
	if mode == spec.NotifyHealthy {
		store, err := a.store()
		if err == nil {
			err = store.AwaitHealthy(context.Background(), session.ID)
		}
		if errors.Is(err, runner.ErrNotRunning) {
			return nil // how it ended is said by who is attached
		}
		if err != nil {
			return err
		}
	}
	return notify(os.Getenv("NOTIFY_SOCKET"), fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=container %.12s", os.Getpid(), session.ID))
}

// activated returns the sockets that systemd has handed to this process
// (sd_listen_fds(3)), which no other process is to inherit.
func activated() runner.Sockets {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid != os.Getpid() || err != nil || count < 1 {
		return runner.Sockets{}
	}
	s := runner.Sockets{Count: count, Names: os.Getenv("LISTEN_FDNAMES")}
	for fd := 3; fd < 3+count; fd++ {
		unix.CloseOnExec(fd)
		s.Files = append(s.Files, os.NewFile(uintptr(fd), "socket"))
	}
	return s
}

// notify sends a message to systemd.
func notify(socket, message string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return fmt.Errorf("tell systemd that it is ready: %w", err)
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}

// stoppedCode is the exit code for a container that a person stopped: systemd,
// which would start it again, is told apart by it.
func stoppedCode(exit runner.Exit) error {
	if exit.Stopped && supervised() {
		return exitCode(systemd.StoppedCode)
	}
	return nil
}

// notifyOptions adds to what is wanted the socket by which the container itself
// talks to systemd.
func notifyOptions(o *spec.Options, mode string) error {
	switch mode {
	case "", "rl", "conmon", spec.NotifyHealthy, spec.NotifyIgnore:
	case spec.NotifyContainer:
		socket := os.Getenv("NOTIFY_SOCKET")
		if socket == "" {
			socket = filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd/notify")
		}
		if !strings.HasPrefix(socket, "/") {
			return usagef("--sdnotify container: the socket of systemd, %q, cannot be mounted into a container", socket)
		}
		o.Mounts = append(o.Mounts, "type=bind,source="+socket+",target="+notifyPath)
		o.Env = append(o.Env, "NOTIFY_SOCKET="+notifyPath)
	default:
		return usagef("--sdnotify %q: choose rl, container, healthy or ignore", mode)
	}
	o.SDNotify = mode
	return nil
}

// notifyPath is where a container finds systemd's socket. /run is replaced in
// containers with an init system.
const notifyPath = "/dev/rl-notify"
