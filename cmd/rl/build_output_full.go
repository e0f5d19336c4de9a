//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/rl-project/rl/build"
	"github.com/rl-project/rl/storage"
)

// openOutputs makes places of --output. Nothing is written yet.
func (c *buildCmd) openOutputs(a *app, o *build.Options) error {
	list, err := c.outputs()
	if err != nil {
		return err
	}
	for _, out := range list {
		opened, err := out.open(a)
		if err != nil {
			return err
		}
		o.Outputs = append(o.Outputs, opened)
	}
	return nil
}

func (o buildOutput) open(a *app) (out build.Output, err error) {
	out.Kind = o.kind
	if o.name != "" {
		name, err := storage.NormalizeReference(o.name)
		if err != nil {
			return out, err
		}
		out.Names = []string{name}
	}
	switch {
	case o.kind == build.OutputImage:
		return out, nil
	case o.dest == "-":
		if term.IsTerminal(int(a.stdout.Fd())) {
			return out, errors.New("an archive is not written to a terminal: name a file with dest=FILE, or send standard output somewhere")
		}
		out.To = func(write func(io.Writer) error) error { return write(a.stdout) }
		return out, nil
	}
	place := lentOutput(filepath.Clean(o.dest))
	info, err := os.Stat(filepath.Dir(place))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", filepath.Dir(o.dest))
	}
	if err != nil {
		return out, fmt.Errorf("--output %s: %w", o.dest, err)
	}
	info, err = os.Stat(place)
	folder := err == nil && info.IsDir()
	if o.kind == build.OutputLocal {
		if err == nil && !folder {
			return out, fmt.Errorf("--output %s: there is a file of that name, and the files want a folder", o.dest)
		}
		out.Folder = place
		return out, nil
	}
	if folder {
		return out, fmt.Errorf("--output %s: it is a folder: name a file in it", o.dest)
	}
	out.To = func(write func(io.Writer) error) error {
		return writeWhole(place, func(f *os.File) error { return write(f) })
	}
	return out, nil
}
