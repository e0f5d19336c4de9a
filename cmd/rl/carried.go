//go:build split

package main

import (
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

// carried holds the full program and its checksum, which the Makefile puts
// there. It is read only when it is needed.
//
//go:embed carried/rl-full carried/rl-full.sum
var carried embed.FS

// fullProgram returns the path of the full program, unpacked once for each
// version of it. Where the folder cannot hold it, because the disk is full or
// may not hold programs, this run gets a copy in memory.
func fullProgram(places dirs.Dirs) (string, error) {
	sum, err := carried.ReadFile("carried/rl-full.sum")
	if err != nil {
		return "", err
	}
	path := filepath.Join(places.Data, "program-"+string(sum[:16]))
	if unix.Access(path, unix.X_OK) == nil {
		return path, nil
	}
	if err := unpackTo(path); err == nil && unix.Access(path, unix.X_OK) == nil {
		return path, nil
	}
	return unpackToMemory()
}

// unpackTo writes the program beside path and renames it, so that path is
// always whole, and removes those of other versions. One process at a time
// does so; what a killed one left behind is overwritten.
func unpackTo(path string) error {
	lock, err := os.OpenFile(filepath.Join(filepath.Dir(path), "program.new"), os.O_CREATE|os.O_RDWR, 0o755)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if unix.Access(path, unix.X_OK) == nil {
		return nil
	}
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "program-*"))
	if err := lock.Truncate(0); err != nil {
		return err
	}
	if err := copyCarried(lock); err != nil {
		lock.Truncate(0)
		return err
	}
	if err := os.Rename(lock.Name(), path); err != nil {
		return err
	}
	for _, name := range old {
		os.Remove(name)
	}
	return nil
}

func unpackToMemory() (string, error) {
	fd, err := unix.MemfdCreate("rl-full", unix.MFD_CLOEXEC)
	if err != nil {
		return "", os.NewSyscallError("memfd_create", err)
	}
	// Open until this process ends: the path below leads through it.
	f := os.NewFile(uintptr(fd), "rl-full")
	if err := copyCarried(f); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), nil
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
