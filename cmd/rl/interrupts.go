package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner"
)

// patience is how many times a person has to ask before rl leaves a container
// that does not end: process 1 ignores every signal that it does not handle
// (pid_namespaces(7)), so without it Ctrl-C would do nothing for ever. Docker's
// number.
const patience = 3

// leaveWhenIgnored closes the session at the last of patience SIGINT or
// SIGTERM. left tells whether that has happened; stop ends the watch.
func leaveWhenIgnored(session *runner.Session) (left func() bool, stop func()) {
	signals := make(chan os.Signal, patience)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	var gone atomic.Bool
	go func() {
		asked := 0
		for range signals {
			if asked++; asked == patience {
				gone.Store(true)
				session.Close()
			}
		}
	}()
	return gone.Load, func() {
		signal.Stop(signals)
		close(signals)
	}
}

// giveUp ends a detached container if the person interrupted rl while it was
// being started: nobody has been told its id.
func giveUp(store runner.Store, id string, early *runner.Signals) error {
	s := early.Ending()
	if s == 0 {
		return nil
	}
	if err := store.Kill(context.Background(), id, unix.SIGKILL); err != nil && !errors.Is(err, runner.ErrNotRunning) {
		return err
	}
	return exitCode(128 + int(s))
}

func ignoredError(id string) error {
	return &exitError{exitFailed, fmt.Errorf("asked %d times, and %.12s goes on: left it running (end it with: rl stop %.12s)", patience, id, id)}
}
