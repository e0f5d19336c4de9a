// Package scratch makes temporary folders that outlive no process: what a
// killed one leaves behind is removed by whoever makes the next.
package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Folder is a temporary folder. It is locked while its process lives, so that
// a folder without a lock is what a killed process left.
type Folder struct {
	Path string
	lock *os.File
}

// Open makes a folder in parent, its name beginning with prefix, after removing
// those of that prefix whose owners are gone. The lock on parent keeps others
// from taking the new one, which has no lock for a moment, for such a one.
func Open(parent, prefix string) (_ *Folder, err error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	above, err := lockFolder(parent, 0)
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, above.Close()) }()
	sweep(parent, prefix)
	path, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(path, unix.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("temporary folder: %w", err), os.RemoveAll(path))
	}
	return &Folder{path, lock}, nil
}

// Close removes the folder and what is in it.
func (t *Folder) Close() error {
	return errors.Join(os.RemoveAll(t.Path), t.lock.Close())
}

// Clear removes the folders in parent whose names begin with prefix and whose
// owners are gone.
func Clear(parent, prefix string) {
	above, err := lockFolder(parent, 0)
	if err != nil {
		return // there is none yet
	}
	defer above.Close()
	sweep(parent, prefix)
}

// sweep removes the folders of processes that are gone.
func sweep(parent, prefix string) {
	folders, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, folder := range folders {
		lock, err := lockFolder(folder, unix.LOCK_NB)
		if err != nil {
			continue
		}
		os.RemoveAll(folder)
		lock.Close()
	}
}

// lockFolder locks a folder until it is closed; how may be LOCK_NB, to fail
// instead of waiting.
func lockFolder(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|how); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}
