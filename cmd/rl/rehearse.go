package main

import (
	"io"
	"os"
)

// rehearse runs a command that would make the first things of all in a namespace and
// in folders that go away with it, where it only says what is wrong with its input (see
// rehearsing): what is refused leaves nothing behind. Who has something already needs
// no rehearsal. It must not read standard input, which is needed once more.
func (a *app) rehearse(at where, args []string) error {
	places, err := a.dirs()
	if err != nil || places.HasData() || !a.makes {
		return err
	}
	a.makes = false
	defer func() { a.makes = true }()
	return a.runInside(at, args)
}

// rehearsing reports whether this process is to look at its input, and to make nothing.
func (a *app) rehearsing() bool {
	places, err := a.dirs()
	return err == nil && a.makes && places.Chosen != ""
}

// archiveStart is how much of an archive its rehearsal sees: the first header of a tar.
const archiveStart = 512

// takeArchive runs a command that reads an archive from standard input.
func (a *app) takeArchive(args []string) error {
	places, err := a.dirs()
	if err == nil && !places.HasData() {
		err = a.rehearseStart(args)
	}
	if err != nil {
		return err
	}
	return a.runInside(inFull, args)
}

// rehearseStart is rehearse with the start of what standard input gives, which is
// whole again afterwards.
func (a *app) rehearseStart(args []string) error {
	head := make([]byte, archiveStart)
	n, err := io.ReadFull(a.stdin, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	archive := a.stdin
	if a.stdin, err = pipeOf(head[:n], nil); err != nil {
		return err
	}
	defer a.stdin.Close()
	if err := a.rehearse(inFull, args); err != nil {
		return err
	}
	if _, err = archive.Seek(int64(-n), io.SeekCurrent); err == nil {
		a.stdin = archive
		return nil
	}
	a.stdin, err = pipeOf(head[:n], archive)
	return err
}

// pipeOf is a pipe that gives head and then what rest does, if that is not nil.
func pipeOf(head []byte, rest *os.File) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.Write(head) // fits into an empty pipe
	if rest == nil {
		return r, w.Close()
	}
	go func() {
		io.Copy(w, rest) // who reads it says what is missing
		w.Close()
	}()
	return r, nil
}
