package volume

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lease keeps a volume from being removed, until it is closed.
type Lease struct {
	Volume
	lock *os.File
}

// Close gives the lease back.
func (l *Lease) Close() error { return l.lock.Close() }

// Lease takes a volume into use, and makes it when it is missing. If it has no
// data yet, and fill is not nil, fill is called to copy something into an empty
// folder, which then becomes the data as a whole.
func (s Store) Lease(want Volume, fill func(folder string) error) (*Lease, error) {
	var tried time.Time // the age of the volume that was filled; there may be nothing to copy
	for {
		v, err := s.Create(want)
		if err != nil {
			return nil, err
		}
		lock, err := s.lock(v.Name, unix.LOCK_SH)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if v.Device() != "" || !s.pending(v.Name) && (fill == nil || v.Created.Equal(tried) || !s.empty(v.Name)) {
			return &Lease{v, lock}, nil
		}
		lock.Close()
		if err := s.fill(v.Name, fill); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		tried = v.Created
	}
}

// lock takes the lock of a volume that exists, waiting for others.
func (s Store) lock(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(s.path(name, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	// The volume may have been removed meanwhile, and another been made.
	now, err := os.Stat(s.path(name, "lock"))
	was, statErr := f.Stat()
	if err != nil || statErr != nil || !os.SameFile(now, was) {
		f.Close()
		return nil, ErrNotFound
	}
	return f, nil
}

// pending reports whether a copy is whole and not yet in its place.
func (s Store) pending(name string) bool {
	_, err := os.Lstat(s.path(name, "ready"))
	return err == nil
}

// empty reports whether a volume has no data.
func (s Store) empty(name string) bool {
	f, err := os.Open(s.Mountpoint(name))
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) == 0
}

// fill copies into a volume without data, or goes on where somebody else was
// killed who did.
func (s Store) fill(name string, copy func(folder string) error) error {
	lock, err := s.lock(name, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Close()
	if s.pending(name) {
		return s.settle(name)
	}
	if copy == nil || !s.empty(name) {
		return nil
	}
	half := s.path(name, "fill")
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.Mkdir(half, 0o755); err != nil {
		return err
	}
	if err := copy(half); err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	if s.used(name) {
		// The owner and the mode that the first one gave it stay, unless there
		// is something to put into it.
		if err := os.Remove(half); !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	if err := os.Rename(half, s.path(name, "ready")); err != nil {
		return err
	}
	return s.settle(name)
}

// used reports whether the volume was offered an image's files before.
func (s Store) used(name string) bool {
	_, err := os.Lstat(s.path(name, "used"))
	return err == nil
}

// settle moves a whole copy to its place, entry by entry: containers that run
// may have the folder mounted already. What one of them made meanwhile under
// the same name stays.
func (s Store) settle(name string) error {
	ready, data := s.path(name, "ready"), s.Mountpoint(name)
	times, err := timesOf(ready)
	if err != nil {
		return err
	}
	if err := copyMeta(ready, data, asIs); err != nil {
		return err
	}
	entries, err := os.ReadDir(ready)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := ready+"/"+e.Name(), data+"/"+e.Name()
		if _, err := os.Lstat(to); err == nil {
			if err := os.RemoveAll(from); err != nil {
				return err
			}
		} else if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.path(name, "used"), nil, 0o600); err != nil {
		return err
	}
	if err := setTimes(data, times); err != nil {
		return err
	}
	return os.Remove(ready)
}
