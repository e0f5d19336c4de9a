//go:build !split && containers_image_openpgp

package main

import (
	"io"
	"os"
	"strings"

	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

func (c *pushCmd) Run(a *app) error {
	ref, err := storage.ParseReference(c.Image)
	if err != nil {
		return wrongInput(err)
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
	names := []string{ref.WithDefaultTag().String()}
	switch {
	case c.All && (ref.Tag != "" || ref.Digest != ""):
		return usagef("with --all-tags the name has neither a tag nor a digest")
	case c.All:
		if names, err = s.TagsOf(ref.Name()); err != nil {
			return err
		}
	case ref.Tag == "" && ref.Digest == "" && !c.Quiet:
		a.printf("Using default tag: latest\n")
	}
	if !c.Quiet {
		a.printf("The push refers to repository [%s]\n", ref.Name())
	}
	for _, name := range names {
		p := newProgress(a.stdout, c.Quiet)
		p.words = pushWords
		done, err := s.Push(ctx, pushName(ref, name), store.PullOptions{Platform: c.Platform, Progress: p.report})
		p.close()
		if err != nil {
			return wrongInput(err)
		}
		if c.Quiet {
			a.printf("%s\n", done.Name)
			continue
		}
		a.printf("%s: digest: %s size: %d\n", done.Name[strings.LastIndexByte(done.Name, ':')+1:], done.Digest, done.Size)
	}
	return nil
}

// pushName returns what Push is asked for: a digest has to be refused by it.
func pushName(typed storage.Reference, name string) string {
	if typed.Digest != "" {
		return typed.String()
	}
	return name
}

// Run checks a login for the command outside, which keeps it.
func (c *checkLoginCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	password, err := io.ReadAll(io.NewSectionReader(a.stdin, 0, 1<<20))
	if err != nil {
		return err
	}
	// What is kept of other logins must not answer for this one.
	if err := os.Setenv("REGISTRY_AUTH_FILE", os.DevNull); err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	return s.CheckLogin(ctx, c.Registry, c.User, string(password))
}
