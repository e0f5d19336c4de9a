package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// scratch is a folder for blobs on their way in or out. It is locked while its
// process lives, so that a folder without a lock is what a killed process left.
type scratch struct {
	Path string
	lock *os.File
}

// openScratch makes a folder for big temporary files, after removing those
// whose owners are gone.
func (s *Store) openScratch() (*scratch, error) {
	parent := filepath.Join(s.options.Data, "tmp")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, explain(err)
	}
	sweepScratch(parent)
	path, err := os.MkdirTemp(parent, "image-")
	if err != nil {
		return nil, explain(err)
	}
	lock, err := lockFolder(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("temporary folder: %w", err), os.RemoveAll(path))
	}
	return &scratch{path, lock}, nil
}

// Close removes the folder and what is in it.
func (t *scratch) Close() error {
	return errors.Join(os.RemoveAll(t.Path), t.lock.Close())
}

// sweepScratch removes the folders of processes that are gone. A folder
// that was made a moment ago may have no lock yet; removing it makes its owner
// fail to lock it, which is an error and no damage.
func sweepScratch(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, "image-*"))
	for _, folder := range folders {
		lock, err := lockFolder(folder)
		if err != nil {
			continue
		}
		os.RemoveAll(folder)
		lock.Close()
	}
}

// lockFolder locks a folder against sweepScratch, without waiting.
func lockFolder(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}
