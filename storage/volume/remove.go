package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Remove removes a volume, unless it is in use: user is asked, when no container
// that uses it can be in the making, for the id of one that does, "" for none.
// It returns the path in the trash, which Purge empties; the volume is gone
// already.
func (s Store) Remove(name string, user func() (string, error)) (trash string, err error) {
	if checkName(name) != nil {
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	lock, err := s.lock(name, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return "", fmt.Errorf("remove %s: %w by a container that is being made", name, ErrInUse)
	case errors.Is(err, ErrNotFound):
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	case err != nil:
		return "", err
	}
	defer lock.Close()
	id, err := user()
	if err != nil {
		return "", err
	}
	if id != "" {
		return "", fmt.Errorf("remove %s: %w - [%s]", name, ErrInUse, id)
	}
	if err := os.Mkdir(s.trash(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	trash = filepath.Join(s.trash(), "volume-"+NewName())
	if err := os.Rename(s.path(name), trash); err != nil {
		return "", err
	}
	s.record("destroy", name)
	return trash, nil
}

// Purge deletes what Remove has put into the trash.
func Purge(trash string) error { return os.RemoveAll(trash) }
