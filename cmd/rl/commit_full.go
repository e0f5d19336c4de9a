//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/storage/store"
)

func (c *commitCmd) Run(a *app) error {
	s, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	if v.RootFS.ID == "" {
		return errors.New("the container is not of an image (--rootfs): export it, and import that")
	}
	images, err := a.images()
	if err != nil {
		return err
	}
	config := v.Config
	config.Env = docker.Environment(v)
	ctx, stop := interruptible()
	defer stop()
	id, err := images.Commit(ctx, store.CommitOptions{
		Base: v.RootFS.ID, Config: config, Changes: c.Change, Name: c.Name, Author: c.Author, Message: c.Message,
		Command: slices.Concat(config.Entrypoint, config.Cmd), Write: func(w io.Writer) error { return c.write(ctx, a, s, v, w) },
	})
	if err != nil {
		return wrongInput(err)
	}
	a.printf("sha256:%s\n", id)
	return nil
}

// write writes what the container has changed, while it is paused.
func (c *commitCmd) write(ctx context.Context, a *app, s runner.Store, v runner.View, w io.Writer) error {
	if !c.Pause || v.Status != runner.Running {
		return s.WriteLayer(v.ID, w)
	}
	notes, release, err := s.Hold(ctx, v.ID)
	if errors.Is(err, runner.ErrPaused) || errors.Is(err, runner.ErrNotRunning) {
		return s.WriteLayer(v.ID, w)
	}
	if err != nil {
		return err
	}
	a.printNotes(notes)
	return errors.Join(s.WriteLayer(v.ID, w), release())
}
