//go:build !split

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/rl-project/rl/storage/store"
)

func (c *loadCmd) Run(a *app) error {
	if c.Input == "" && term.IsTerminal(int(a.stdin.Fd())) {
		return errors.New("nothing to load: name an archive with -i, or send one to standard input")
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

func (c *loadCmd) load(ctx context.Context, a *app, s *store.Store, o store.PullOptions) ([]store.Loaded, error) {
	if c.Input == "" {
		return s.Load(ctx, a.stdin, o)
	}
	info, err := os.Stat(c.Input)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return s.LoadLayout(ctx, c.Input, o)
	}
	f, err := os.Open(c.Input)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	loaded, err := s.Load(ctx, f, o)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.Input, err)
	}
	return loaded, err
}

func (c *saveCmd) Run(a *app) error {
	if c.Output == "" && term.IsTerminal(int(a.stdout.Fd())) {
		return errors.New("an archive is not written to a terminal: name a file with -o, or send standard output somewhere")
	}
	if c.Format != store.FormatDocker && c.Format != store.FormatOCI {
		return fmt.Errorf("format %q is neither %s nor %s", c.Format, store.FormatDocker, store.FormatOCI)
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	if c.Output == "" {
		return s.Save(ctx, a.stdout, c.Format, c.Images)
	}
	return writeWhole(c.Output, func(w io.Writer) error { return s.Save(ctx, w, c.Format, c.Images) })
}

// writeWhole makes a file that is there as a whole or not at all. What is no
// file, such as a pipe, is written as it is.
func writeWhole(file string, write func(io.Writer) error) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o600), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func (c *importCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	source, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := s.Import(ctx, source, store.ImportOptions{
		Name: c.Name, Changes: c.Change, Message: c.Message, Platform: c.Platform,
	})
	if err != nil {
		return fmt.Errorf("import of %s: %w", c.Source, err)
	}
	a.printf("sha256:%s\n", id)
	return nil
}

// open opens what is to be imported: standard input, a URL or a file.
func (c *importCmd) open(ctx context.Context, a *app) (io.ReadCloser, error) {
	switch {
	case c.Source == "-":
		return a.stdin, nil
	case strings.HasPrefix(c.Source, "http://"), strings.HasPrefix(c.Source, "https://"):
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Source, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			response.Body.Close()
			return nil, fmt.Errorf("%s: %s", c.Source, response.Status)
		}
		return response.Body, nil
	}
	return os.Open(c.Source)
}
