package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

type startCmd struct {
	Attach      bool     `short:"a" help:"Attach to output and errors, and pass signals on."`
	Interactive bool     `short:"i" help:"Attach to stdin."`
	DetachKeys  string   `default:"${detachKeys}" placeholder:"KEYS" help:"Keys that leave the container running; \"\" for none."`
	Containers  []string `arg:"" name:"container"`
}

func (c *startCmd) Run(a *app) error {
	keys, err := parseDetachKeys(c.DetachKeys)
	if err != nil {
		return err
	}
	if !c.Attach && !c.Interactive {
		return c.startAll(a)
	}
	if len(c.Containers) > 1 {
		return usagef("one container can be attached to at a time")
	}
	r, err := a.runner("--pull", "never")
	if err != nil {
		return err
	}
	v, err := r.Find(c.Containers[0])
	if err != nil {
		return err
	}
	if err := checkPaused(v); err != nil {
		return err
	}
	attach := runner.Attach{Stdin: c.Interactive && v.OpenStdin, Stdout: true, Stderr: true}
	if v.Spec.Process.Terminal {
		attach.Size = runner.TerminalSize(a.stdout)
	}
	early := runner.CatchSignals()
	defer early.Stop()
	session, err := r.Start(context.Background(), v, attach, supervised())
	if err != nil {
		return startError(err)
	}
	defer session.Close()
	a.printNotes(session.Notes)
	return a.stream(session, streamOptions{
		attach: attach, tty: v.Spec.Process.Terminal, keys: keys, signals: !v.Spec.Process.Terminal, early: early,
		begun: true, notify: v.Options.SDNotify,
	})
}

func (c *startCmd) startAll(a *app) error {
	r, err := a.runner("--pull", "never")
	if err != nil {
		return err
	}
	return a.each(c.Containers, func(ctx context.Context, _ runner.Store, v runner.View) error { return a.start(ctx, r, v) })
}

// start starts a container that is not running; one that is stays as it is.
func (a *app) start(ctx context.Context, r *runner.Runner, v runner.View) error {
	if err := checkPaused(v); err != nil {
		return err
	}
	session, err := r.Start(ctx, v, runner.Attach{}, false)
	if errors.Is(err, runner.ErrRestarting) {
		return nil
	}
	if err != nil {
		return err
	}
	a.printNotes(session.Notes)
	return session.Close()
}

type stopFlags struct {
	Time       *int     `short:"t" aliases:"timeout" placeholder:"SECONDS" help:"Seconds before the container is killed; -1 to wait for ever."`
	Signal     string   `short:"s" placeholder:"SIGNAL" help:"Signal to send instead of the container's own."`
	Containers []string `arg:"" name:"container"`
}

// stop returns how to stop one container.
func (f *stopFlags) stop() (func(context.Context, runner.Store, runner.View) error, error) {
	signal, err := optionalSignal(f.Signal)
	if err != nil {
		return nil, err
	}
	var timeout *time.Duration
	if f.Time != nil {
		d := time.Duration(*f.Time) * time.Second
		if *f.Time < 0 {
			d = time.Duration(1<<63 - 1)
		}
		timeout = &d
	}
	return func(ctx context.Context, s runner.Store, v runner.View) error {
		err := s.Stop(ctx, v.ID, signal, timeout)
		if errors.Is(err, runner.ErrNotRunning) {
			return nil
		}
		return err
	}, nil
}

func optionalSignal(name string) (unix.Signal, error) {
	if name == "" {
		return 0, nil
	}
	signal, err := spec.ParseSignal(name)
	if err != nil {
		return 0, usagef("%w", err)
	}
	return signal, nil
}

type stopCmd struct{ stopFlags }

func (c *stopCmd) Run(a *app) error {
	stop, err := c.stop()
	if err != nil {
		return err
	}
	return a.each(c.Containers, stop)
}

type restartCmd struct{ stopFlags }

func (c *restartCmd) Run(a *app) error {
	stop, err := c.stop()
	if err != nil {
		return err
	}
	r, err := a.runner("--pull", "never")
	if err != nil {
		return err
	}
	return a.each(c.Containers, func(ctx context.Context, s runner.Store, v runner.View) error {
		if err := stop(ctx, s, v); err != nil {
			return err
		}
		v.Status = runner.Exited
		if err := a.start(ctx, r, v); err != nil {
			return err
		}
		s.Record(v.Container, "restart")
		return nil
	})
}

type killCmd struct {
	Signal     string   `short:"s" default:"KILL" placeholder:"SIGNAL" help:"Signal to send, by name or number."`
	Containers []string `arg:"" name:"container"`
}

func (c *killCmd) Run(a *app) error {
	signal, err := spec.ParseSignal(c.Signal)
	if err != nil {
		return usagef("%w", err)
	}
	return a.each(c.Containers, func(ctx context.Context, s runner.Store, v runner.View) error {
		if err := s.Kill(ctx, v.ID, signal); err != nil || signal != unix.SIGKILL {
			return err
		}
		// Docker's kill returns when KILL has done its work, so that rm can follow.
		_, err := s.Wait(ctx, v.ID)
		if errors.Is(err, runner.ErrNotFound) { // --rm
			return nil
		}
		return err
	})
}

type waitCmd struct {
	Containers []string `arg:"" name:"container"`
}

func (c *waitCmd) Run(a *app) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	failed := false
	for _, ref := range c.Containers {
		v, err := store.Find(ref)
		var exit runner.Exit
		if err == nil {
			exit, err = store.Wait(context.Background(), v.ID)
		}
		if err != nil {
			a.warnf("%v", err)
			failed = true
			continue
		}
		a.printf("%d\n", exit.Code)
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}

type rmCmd struct {
	Force      bool     `short:"f" help:"Kill running containers first."`
	Volumes    bool     `short:"v" help:"Remove their anonymous volumes, too."`
	Containers []string `arg:"" name:"container"`
}

func (c *rmCmd) Run(a *app) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	refs := c.Containers
	if c.Force {
		// What is not there need not be removed, Docker says.
		refs = slices.DeleteFunc(slices.Clone(refs), func(ref string) bool {
			_, err := store.Find(ref)
			if errors.Is(err, runner.ErrNotFound) {
				a.warnf("%v", err)
			}
			return errors.Is(err, runner.ErrNotFound)
		})
	}
	failed := a.each(refs, func(ctx context.Context, s runner.Store, v runner.View) error {
		err := s.Remove(ctx, v.ID, runner.RemoveOptions{Force: c.Force, Volumes: c.Volumes})
		if errors.Is(err, runner.ErrRunning) {
			return fmt.Errorf("%w: stop %s first, or use rl rm -f", err, v.Name)
		}
		return err
	})
	return errors.Join(failed, store.Sweep(context.Background()))
}

type attachCmd struct {
	NoStdin    bool   `help:"Do not attach stdin."`
	SigProxy   bool   `default:"true" negatable:"" help:"Pass signals on to the command."`
	DetachKeys string `default:"${detachKeys}" placeholder:"KEYS" help:"Keys that leave the container running; \"\" for none."`
	Container  string `arg:""`
}

func (c *attachCmd) Run(a *app) error {
	keys, err := parseDetachKeys(c.DetachKeys)
	if err != nil {
		return err
	}
	store, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	if err := checkPaused(v); err != nil {
		return err
	}
	tty := v.Spec.Process.Terminal
	attach := runner.Attach{Stdin: !c.NoStdin && v.OpenStdin, Stdout: true, Stderr: true}
	if tty {
		attach.Size = runner.TerminalSize(a.stdout)
	}
	if err := needTerminal(a, tty && attach.Stdin); err != nil {
		return err
	}
	session, err := store.Attach(context.Background(), v.ID, attach)
	if err != nil {
		return err
	}
	defer session.Close()
	return a.stream(session, streamOptions{attach: attach, tty: tty, keys: keys, signals: c.SigProxy && !tty})
}

type execCmd struct {
	Detach      bool     `short:"d" help:"Run in the background."`
	Interactive bool     `short:"i" help:"Keep stdin open."`
	TTY         bool     `name:"tty" short:"t" help:"Give the command a terminal."`
	Env         []string `short:"e" sep:"none" placeholder:"NAME[=VALUE]" help:"Set an environment variable, or pass one on."`
	EnvFile     []string `sep:"none" placeholder:"FILE" help:"Read environment variables from a file."`
	User        string   `short:"u" placeholder:"USER[:GROUP]" help:"User to run as, by name or number."`
	Workdir     string   `short:"w" placeholder:"FOLDER" help:"Working folder."`
	Privileged  bool     `help:"Give the command every capability of the user namespace."`
	DetachKeys  string   `default:"${detachKeys}" placeholder:"KEYS" help:"Keys that leave the command running; \"\" for none."`
	Args        []string `arg:"" passthrough:"partial" name:"container"`
}

func (c *execCmd) Run(a *app) error {
	if c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	if len(c.Args) < 2 {
		return usagef("no command: name one after the container, sh for example")
	}
	keys, err := parseDetachKeys(c.DetachKeys)
	if err != nil {
		return err
	}
	if err := needTerminal(a, c.TTY && c.Interactive && !c.Detach); err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	v, err := store.Find(c.Args[0])
	if err != nil {
		return err
	}
	st := runner.Streams{Out: a.stdout, Err: a.stderr, TTY: c.TTY, DetachKeys: keys}
	if c.Interactive {
		st.In = a.stdin
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	code, err := store.Exec(context.Background(), v.ID, runner.ExecOptions{
		ExecOptions: o, Detach: c.Detach, Size: runner.TerminalSize(a.stdout),
	}, st)
	if errors.Is(err, runner.ErrDetached) {
		return nil
	}
	if errors.Is(err, runner.ErrNotRunning) || errors.Is(err, runner.ErrPaused) || errors.Is(err, runner.ErrRestarting) {
		return err
	}
	if err != nil {
		return startError(err)
	}
	return exitCode(code)
}

// options reads what depends on this process's environment and files: the
// monitor, which starts the command, has those of another.
func (c *execCmd) options() (spec.ExecOptions, error) {
	o := spec.ExecOptions{Args: c.Args[1:], User: c.User, Workdir: c.Workdir, TTY: c.TTY, Privileged: c.Privileged}
	for _, path := range c.EnvFile {
		f, err := os.Open(path)
		if err != nil {
			return o, usagef("--env-file: %w", err)
		}
		entries, err := spec.ParseEnvFile(f, os.LookupEnv)
		f.Close()
		if err != nil {
			return o, usagef("--env-file %s: %w", path, err)
		}
		o.Env = append(o.Env, entries...)
	}
	for _, e := range c.Env {
		entry, err := spec.ParseEnv(e, os.LookupEnv)
		if err != nil {
			return o, usagef("%w", err)
		}
		o.Env = append(o.Env, entry)
	}
	return o, nil
}
