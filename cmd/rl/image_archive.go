//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/term"

	"github.com/rl-project/rl/internal/fetch"
	"github.com/rl-project/rl/storage/store"
)

func (c *loadCmd) runInside(a *app) error {
	if err := checkPlatform(c.Platform); err != nil {
		return err
	}
	if a.rehearsing() {
		if c.Input != "" {
			return store.CheckLayout(c.Input)
		}
		return a.checkStart()
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	p := newProgress(a.stderr, c.Quiet || !term.IsTerminal(int(a.stderr.Fd())))
	loaded, err := c.load(ctx, a, s, store.PullOptions{Platform: c.Platform, Progress: p.report})
	p.close()
	for _, l := range loaded {
		for _, name := range l.Names {
			a.printf("Loaded image: %s\n", familiar(name))
		}
		if len(l.Names) == 0 {
			a.printf("Loaded image ID: sha256:%s\n", l.ID)
		}
	}
	return err
}

// load reads standard input, or a folder.
func (c *loadCmd) load(ctx context.Context, a *app, s *store.Store, o store.PullOptions) ([]store.Loaded, error) {
	if c.Input == "" {
		widen(a.stdin)
		return s.Load(ctx, a.stdin, o)
	}
	return s.LoadLayout(ctx, c.Input, o)
}

// checkStart refuses what is no archive in a rehearsal, which is given the start of it.
func (a *app) checkStart() error {
	start, err := io.ReadAll(a.stdin)
	if err != nil {
		return err
	}
	return store.CheckStart(start)
}

func (c *saveCmd) runInside(a *app) error {
	if c.Format != store.FormatDocker && c.Format != store.FormatOCI {
		return usagef("format %q is neither %s nor %s", c.Format, store.FormatDocker, store.FormatOCI)
	}
	if err := checkPlatform(c.Platform); err != nil {
		return err
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	widen(a.stdout)
	return wrongInput(s.Save(ctx, a.stdout, store.SaveOptions{Format: c.Format, Platform: c.Platform}, c.Images))
}

func (c *importCmd) runInside(a *app) error {
	if err := checkPlatform(c.Platform); err != nil {
		return err
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	o := store.ImportOptions{Name: c.Name, Changes: c.Change, Message: c.Message, Platform: c.Platform}
	if err := o.Check(); err != nil {
		return wrongInput(fmt.Errorf("import: %w", err))
	}
	if a.rehearsing() && c.Source == "-" {
		return a.checkStart()
	}
	source, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer source.Close()
	if a.rehearsing() {
		return nil
	}
	id, err := s.Import(ctx, source, o)
	if err != nil {
		return wrongInput(fmt.Errorf("import: %w", err))
	}
	a.printf("sha256:%s\n", id)
	return nil
}

// open opens what is to be imported: standard input, or a URL.
func (c *importCmd) open(ctx context.Context, a *app) (io.ReadCloser, error) {
	if c.Source == "-" {
		widen(a.stdin)
		return a.stdin, nil
	}
	response, err := fetch.Get(ctx, c.Source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Source, err)
	}
	return response.Body, nil
}
