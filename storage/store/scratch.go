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
// whose owners are gone. The lock on the folder above keeps others from taking
// the new one, which has no lock for a moment, for such a one.
func (s *Store) openScratch() (_ *scratch, err error) {
	parent := filepath.Join(s.options.Data, "tmp")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, explain(err)
	}
	above, err := lockFolder(parent, 0)
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, above.Close()) }()
	sweepScratch(parent)
	path, err := os.MkdirTemp(parent, "image-")
	if err != nil {
		return nil, explain(err)
	}
	lock, err := lockFolder(path, unix.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("temporary folder: %w", err), os.RemoveAll(path))
	}
	return &scratch{path, lock}, nil
}

// Close removes the folder and what is in it.
func (t *scratch) Close() error {
	return errors.Join(os.RemoveAll(t.Path), t.lock.Close())
}

// clearScratch removes what killed processes have left of scratch folders.
func (s *Store) clearScratch() {
	parent := filepath.Join(s.options.Data, "tmp")
	above, err := lockFolder(parent, 0)
	if err != nil {
		return // there is none yet
	}
	defer above.Close()
	sweepScratch(parent)
}

// sweepScratch removes the folders of processes that are gone.
func sweepScratch(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, "image-*"))
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
