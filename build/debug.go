package build

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// Debug is where the shell is opened that looks at a failed RUN.
type Debug struct {
	In, Out *os.File
	// Before, if not nil, is called with what is to be said first.
	Before func(text string)
}

// debug opens a shell in what a failed RUN left, with all that it had.
func (s *stage) debug(ctx context.Context, e execution, log *stepLog, w *workspace, failed error) error {
	if s.b.Debug == nil || context.Cause(ctx) != nil {
		return failed
	}
	var err error
	s.b.Progress.during(func() { err = s.look(ctx, e, log, w, failed) })
	if err != nil {
		log.print("no shell for --debug: " + err.Error())
	}
	return failed
}

func (s *stage) look(ctx context.Context, e execution, log *stepLog, w *workspace, failed error) error {
	// An overlay that is mounted without waiting for the disk is not mounted again
	// as long as this folder says so.
	if err := os.RemoveAll(filepath.Join(w.dir, "work", "work")); err != nil {
		return err
	}
	e.args, e.script = s.shell()[:1], ""
	quiet := &stepLog{p: NewProgress(nil)}
	step, undo, err := s.runStep(ctx, e, quiet, w)
	defer func() { undo.run() }()
	if err != nil {
		return err
	}
	d := s.b.Debug
	if d.Before != nil {
		d.Before(log.log() + "\n" + failed.Error())
	}
	step.Stdin, step.Stdout, step.Stderr = d.In, d.Out, d.Out
	step.Options.TTY = term.IsTerminal(int(d.In.Fd()))
	_, err = step.Run(ctx)
	return err
}
