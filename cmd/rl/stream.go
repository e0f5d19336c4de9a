package main

import (
	"errors"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
)

// streamOptions say how a command line takes part in a container.
type streamOptions struct {
	attach  runner.Attach
	tty     bool
	keys    []byte
	signals bool
	early   *runner.Signals // nil where nothing was started
	// begun is whether this process started the container, so that systemd is to
	// be told when it is ready, as notify (--sdnotify) says.
	begun  bool
	notify string
}

// stream connects this process with the container until one of them leaves.
func (a *app) stream(session *runner.Session, o streamOptions) error {
	st := runner.Streams{Out: a.stdout, Err: a.stderr, TTY: o.tty, DetachKeys: o.keys, Signals: o.signals, Early: o.early}
	if o.attach.Stdin {
		st.In = a.stdin
	}
	left := func() bool { return false }
	if o.signals {
		var stop func()
		left, stop = leaveWhenIgnored(session)
		defer stop()
	}
	if j := a.journal(session, o); j != nil {
		defer j.Close()
		st.Out, st.Err = j.Stream(logs.Stdout), j.Stream(logs.Stderr)
	}
	if o.begun && supervised() {
		go func() {
			if err := a.ready(session, o.notify); err != nil {
				a.warnf("%v", err)
			}
		}()
	}
	exit, err := session.Stream(st)
	if errors.Is(err, runner.ErrDetached) {
		return nil
	}
	if left() {
		return ignoredError(session.ID)
	}
	if errors.Is(err, runner.ErrLeftBehind) {
		return err
	}
	if err != nil {
		return startError(err)
	}
	return a.ended(exit)
}

// ended says why a container ended where that is not plain, and ends as it did.
func (a *app) ended(exit runner.Exit) error {
	if exit.OOMKilled {
		a.warnf("%s", cgroup2.OOMText(exit.Limit))
	}
	if exit.Error != "" {
		a.warnf("%s", exit.Error)
	}
	if err := stoppedCode(exit); err != nil {
		return err
	}
	return exitCode(exit.Code)
}
