//go:build split

package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

// carried holds the full program and its checksum, which the Makefile puts
// there. It is read only when it is needed.
//
//go:embed carried/rl-full carried/rl-full.sum
var carried embed.FS

// fullProgram returns the path of the full program, unpacked once for each
// version of it. Where nothing is to be left behind, or the folder cannot hold it, because the disk is full or
// may not hold programs, this run gets a copy in memory.
func fullProgram(places dirs.Dirs) (string, error) {
	sum, err := carried.ReadFile("carried/rl-full.sum")
	if err != nil {
		return "", err
	}
	if places.Chosen != "" {
		return unpackToMemory()
	}
	path, err := cachedProgram(places, string(sum[:16]), unpackTo)
	if err == nil && unix.Access(path, unix.X_OK) == nil {
		return path, nil
	}
	return unpackToMemory()
}

func unpackTo(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	return errors.Join(copyCarried(f), f.Close())
}

func unpackToMemory() (string, error) {
	fd, err := unix.MemfdCreate("rl-full", unix.MFD_CLOEXEC)
	if err != nil {
		return "", os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "rl-full")
	defer f.Close()
	if err := copyCarried(f); err != nil {
		return "", err
	}
	return heldProgram(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func copyCarried(to *os.File) error {
	from, err := carried.Open("carried/rl-full")
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("unpack the program for images: %w", err)
	}
	return nil
}
