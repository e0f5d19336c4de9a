package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
)

// passingFolder has a command that only looks use a folder that goes away with
// it, where the person has neither containers nor images yet: looking makes
// nothing, and works where nothing can be made. `info`, which tells of the folder
// itself, does so only there. Real root's folder is the machine's.
func passingFolder(command string) (forget func(), err error) {
	home, err := dirs.DataHome()
	if err != nil || os.Geteuid() == 0 || dirs.HasData() || there(filepath.Join(home, "containers")) {
		return func() {}, nil // what is wrong is said by who needs it
	}
	if command == "info" && writable(home) {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "rl-looks-")
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("XDG_DATA_HOME", dir); err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(dir) }, nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writable reports whether a folder can be made at path.
func writable(path string) bool {
	for !there(path) {
		path = filepath.Dir(path)
	}
	return unix.Access(path, unix.W_OK) == nil
}
