//go:build !split && containers_image_openpgp

package main

import (
	"fmt"
	"io"

	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

func (c *pullCmd) Run(a *app) error {
	ref, err := storage.ParseReference(c.Image)
	if err != nil {
		return wrongInput(err)
	}
	if err := checkPlatform(c.Platform); err != nil {
		return err
	}
	if c.All && (ref.Tag != "" || ref.Digest != "") {
		return usagef("with --all-tags the name has neither a tag nor a digest")
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	names := []string{ref.WithDefaultTag().String()}
	if c.All {
		if names, err = s.Tags(ctx, ref.Name()); err != nil {
			return err
		}
	} else if ref.Tag == "" && ref.Digest == "" && !c.Quiet {
		a.printf("Using default tag: latest\n")
	}
	for _, name := range names {
		o := store.PullOptions{Platform: c.Platform}
		if err := a.pull(a.stdout, c.Quiet, name, func(p *progress) (store.Pulled, error) {
			o.Progress = p.report
			return s.Pull(ctx, name, o)
		}); err != nil {
			return err
		}
	}
	return nil
}

// pull prints to w what Docker prints about a pull, around the pull itself.
func (a *app) pull(w io.Writer, quiet bool, name string, do func(*progress) (store.Pulled, error)) error {
	r, err := storage.ParseReference(name)
	if err != nil {
		return err
	}
	r = r.WithDefaultTag()
	p := newProgress(w, quiet)
	if !quiet {
		fmt.Fprintf(w, "%s: Pulling from %s\n", r.Tag+r.Digest, r.Path)
	}
	got, err := do(p)
	p.close()
	if err != nil {
		return err
	}
	if !quiet {
		fmt.Fprintf(w, "Digest: %s\n", got.Digest)
		status := "Image is up to date"
		if got.New {
			status = "Downloaded newer image"
		}
		fmt.Fprintf(w, "Status: %s for %s\n", status, r.Familiar())
	}
	fmt.Fprintln(w, got.Name)
	return nil
}

// Run finds the image for a command that starts a container of it.
func (c *resolveCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	ctx, stop := interruptible()
	defer stop()
	p := newProgress(a.stderr, c.Quiet)
	err = s.Resolve(ctx, c.Image, store.ResolveOptions{
		When: c.Pull,
		Pull: store.PullOptions{Platform: c.Platform, Progress: p.report},
		Pulling: func(name string) {
			if !c.Quiet && c.Pull == store.PullMissing {
				fmt.Fprintf(a.stderr, "Unable to find image '%s' locally\n", c.Image)
			}
			if !c.Quiet {
				fmt.Fprintf(a.stderr, "Pulling %s\n", name)
			}
		},
	})
	p.close()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}
