package store

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// reserveSize is how many bytes are kept for removing images on a full disk:
// some times what the store's lists take, which the library writes anew.
const reserveSize = 1 << 20

func (s *Store) reserveFile() string { return filepath.Join(s.options.Data, "images", "reserve") }

// keepReserve sets the space aside. Where there is none left, there will be
// after the next removal.
func (s *Store) keepReserve() {
	if info, err := os.Stat(s.reserveFile()); err == nil && info.Size() == reserveSize {
		return
	}
	if err := os.MkdirAll(filepath.Dir(s.reserveFile()), 0o700); err != nil {
		return
	}
	f, err := os.OpenFile(s.reserveFile(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Fallocate(int(f.Fd()), 0, 0, reserveSize) != nil {
		os.Remove(f.Name())
	}
}

// freeReserve gives the space back if the disk is full. It is called before
// something is removed, because a removal that stops halfway is worse than one
// that does not begin.
func (s *Store) freeReserve() {
	var disk unix.Statfs_t
	err := unix.Statfs(s.opened.GraphRoot, &disk)
	if err != nil || int64(disk.Bavail)*disk.Bsize >= reserveSize {
		return
	}
	if err := os.Remove(s.reserveFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.warnf("reserve for full disks: %v", err)
	}
}
