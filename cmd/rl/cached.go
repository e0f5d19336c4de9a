//go:build split || !containers_image_openpgp

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

// cachedProgram returns the path of the full program of the given version,
// written there by write unless it is there already; those of other versions
// go. One process at a time does so, and the file gets its name when it is
// whole and closed: a program that is open for writing cannot be executed.
func cachedProgram(places dirs.Dirs, version string, write func(path string) error) (string, error) {
	path := filepath.Join(places.Data, "program-"+version)
	if unix.Access(path, unix.X_OK) == nil {
		return path, nil
	}
	lock, err := os.OpenFile(filepath.Join(places.Data, "program.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", os.NewSyscallError("flock", err)
	}
	if unix.Access(path, unix.X_OK) == nil {
		return path, nil
	}
	old, _ := filepath.Glob(filepath.Join(places.Data, "program-*"))
	whole := filepath.Join(places.Data, "program.new")
	if err := write(whole); err != nil {
		os.Remove(whole)
		return "", err
	}
	if err := os.Rename(whole, path); err != nil {
		return "", err
	}
	for _, name := range old {
		os.Remove(name)
	}
	return path, nil
}

// heldProgram opens a program for as long as this process lives, so that its file
// can go, and returns the path by which a child, which has it open as well, begins
// with it. A path through this process is forbidden to a child in another user
// namespace.
func heldProgram(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), nil
}
