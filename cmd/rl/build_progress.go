//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/rl-project/rl/build"
)

// progress is the way of --progress; a display in place is for terminals.
func (c *buildCmd) progress(a *app) *build.Progress {
	terminal := term.IsTerminal(int(a.stderr.Fd()))
	kind := c.Progress
	if kind == "auto" && terminal && os.Getenv("TERM") != "dumb" {
		kind = "tty"
	}
	switch {
	case c.Quiet || kind == "quiet":
		return build.NewProgress(nil)
	case kind == "rawjson":
		return build.NewJSONProgress(a.stderr)
	case kind == "tty":
		return build.NewLiveProgress(a.stderr, sizeOf(a.stderr), os.Getenv("NO_COLOR") == "")
	}
	return build.NewProgress(a.stderr)
}

// sizeOf asks for the size of a terminal; one that does not know is taken for one
// of the usual size.
func sizeOf(f *os.File) func() build.TerminalSize {
	return func() build.TerminalSize {
		columns, rows, err := term.GetSize(int(f.Fd()))
		if err != nil || columns == 0 || rows == 0 {
			return build.TerminalSize{Columns: 80, Rows: 24}
		}
		return build.TerminalSize{Columns: columns, Rows: rows}
	}
}

// debug is where --debug opens its shell.
func (c *buildCmd) debug(a *app) (*build.Debug, error) {
	if !c.Debug {
		return nil, nil
	}
	if c.File == "-" || c.Context == "-" {
		return nil, errors.New("--debug: standard input is the shell's: name a file and a folder instead of -")
	}
	return &build.Debug{In: a.stdin, Out: a.stdout, Before: func(text string) {
		fmt.Fprintf(a.stderr, "------\n%s\n------\nA shell in the step that failed; leave it with 'exit'.\n", text)
	}}, nil
}
