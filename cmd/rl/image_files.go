package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"
)

// Archives are opened here, before the user namespace is entered, with the
// rights of the person: root has fewer inside than outside.

func (c *loadCmd) Run(a *app) error {
	if a.inside() {
		return c.runInside(a)
	}
	args := []string{"load"}
	if c.Platform != "" {
		args = append(args, "--platform", c.Platform)
	}
	if c.Quiet {
		args = append(args, "--quiet")
	}
	if c.Input == "" {
		if term.IsTerminal(int(a.stdin.Fd())) {
			return errors.New("nothing to load: name an archive with -i, or send one to standard input")
		}
		return a.takeArchive(args)
	}
	f, err := os.Open(c.Input)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		args = append(args, "--input", c.Input)
		if err := a.rehearse(inFull, args); err != nil {
			return err
		}
		return a.runInside(inFull, args)
	}
	a.stdin = f
	return a.takeArchive(args)
}

func (c *saveCmd) Run(a *app) error {
	if a.inside() {
		return c.runInside(a)
	}
	args := append([]string{"save", "--format", c.Format, "--platform", c.Platform, "--"}, c.Images...)
	if c.Output != "" {
		return writeWhole(c.Output, func(f *os.File) error {
			a.stdout = f
			return a.runInside(inFull, args)
		})
	}
	if term.IsTerminal(int(a.stdout.Fd())) {
		return errors.New("an archive is not written to a terminal: name a file with -o, or send standard output somewhere")
	}
	return a.runInside(inFull, args)
}

func (c *importCmd) Run(a *app) error {
	if a.inside() {
		return c.runInside(a)
	}
	args := []string{"import", "--message", c.Message}
	for _, change := range c.Change {
		args = append(args, "--change", change)
	}
	if c.Platform != "" {
		args = append(args, "--platform", c.Platform)
	}
	source := c.Source
	if source != "-" && !isURL(source) {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		a.stdin, source = f, "-"
	}
	args = append(args, "--", source)
	if c.Name != "" {
		args = append(args, c.Name)
	}
	if source != "-" {
		if err := a.rehearse(inFull, args); err != nil {
			return err
		}
		return a.runInside(inFull, args)
	}
	return a.takeArchive(args)
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// writeWhole makes a file that is there as a whole or not at all. What is no
// file, such as a pipe, is written as it is.
func writeWhole(file string, write func(*os.File) error) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", file, err)
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
