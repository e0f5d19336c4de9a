//go:build !split && containers_image_openpgp

package main

import (
	"context"
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
	names, get := []string{ref.WithDefaultTag().String()}, s.Pull
	if a.rehearsing() && !c.All {
		err := s.Ask(ctx, names[0], store.PullOptions{Platform: c.Platform})
		if err == nil {
			return nil
		}
		get = func(context.Context, string, store.PullOptions) (store.Pulled, error) { return store.Pulled{}, err }
	}
	if c.All {
		if names, err = s.Tags(ctx, ref.Name()); err != nil || a.rehearsing() {
			return err
		}
	} else if ref.Tag == "" && ref.Digest == "" && !c.Quiet {
		a.printf("Using default tag: latest\n")
	}
	for _, name := range names {
		o := store.PullOptions{Platform: c.Platform}
		if err := a.pull(a.stdout, c.Quiet, name, func(p *progress) (store.Pulled, error) {
			o.Progress = p.report
			return get(ctx, name, o)
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
		pulling(w, r)
	}
	got, err := do(p)
	p.close()
	if err != nil {
		return err
	}
	if !quiet {
		pulled(w, r, got)
	}
	fmt.Fprintln(w, got.Name)
	return nil
}

// pulling and pulled are what Docker prints before a pull and after it.
func pulling(w io.Writer, r storage.Reference) {
	fmt.Fprintf(w, "%s: Pulling from %s\n", r.Tag+r.Digest, r.Path)
}

func pulled(w io.Writer, r storage.Reference, got store.Pulled) {
	status := "Image is up to date"
	if got.New {
		status = "Downloaded newer image"
	}
	fmt.Fprintf(w, "Digest: %s\nStatus: %s for %s\n", got.Digest, status, r.Familiar())
}

// Run finds the image for a command that starts a container of it.
func (c *resolveCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	ctx, stop := interruptible()
	defer stop()
	ref, _ := storage.ParseReference(c.Image) // what is none is not pulled
	ref = ref.WithDefaultTag()
	p := newProgress(a.stderr, c.Quiet)
	o := store.ResolveOptions{When: c.Pull, Ask: a.rehearsing(), Pull: store.PullOptions{Platform: c.Platform, Progress: p.report}}
	if !c.Quiet {
		o.Pulling = func() {
			if c.Pull == store.PullMissing {
				fmt.Fprintf(a.stderr, "Unable to find image '%s' locally\n", ref.Familiar())
			}
			pulling(a.stderr, ref)
		}
		o.Pulled = func(got store.Pulled) { pulled(a.stderr, ref, got) }
	}
	err = s.Resolve(ctx, c.Image, o)
	p.close()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}
