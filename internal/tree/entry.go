package tree

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Identity is a text that changes when the file's content does, save for changes
// within one tick of the file system's clock.
func (e Entry) Identity() string {
	s := e.stat
	return fmt.Sprintf("%d %d %d %d %d", s.Dev, s.Ino, s.Size, s.Mtim.Nano(), s.Ctim.Nano())
}

// Changed is when anything about the file was changed last.
func (e Entry) Changed() time.Time { return time.Unix(e.stat.Ctim.Unix()) }

// Owner is who it belongs to.
func (e Entry) Owner() Owner { return Owner{int(e.stat.Uid), int(e.stat.Gid)} }

// Touch makes an empty file right below r, unless something is there.
func (r *Root) Touch(name string) error {
	fd, err := unix.Openat(int(r.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "create", Path: name, Err: err}
	}
	return unix.Close(fd)
}

// WriteFile makes a file right below r, with a mode and an owner, in place of
// what is there.
func (r *Root) WriteFile(name string, content []byte, mode uint32, o Owner, changed *time.Time) (err error) {
	if err := unix.Unlinkat(int(r.dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "replace", Path: name, Err: err}
	}
	fd, err := unix.Openat(int(r.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: name, Err: err}
	}
	_, err = fdFile(fd).Write(content)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return &os.PathError{Op: "write", Path: name, Err: err}
	}
	if err := r.chown(name, o); err != nil {
		return err
	}
	if err := unix.Fchmodat(int(r.dir.Fd()), name, mode, 0); err != nil {
		return &os.PathError{Op: "chmod", Path: name, Err: err}
	}
	if changed == nil {
		return nil
	}
	t := unix.NsecToTimespec(changed.UnixNano())
	return unix.UtimesNanoAt(int(r.dir.Fd()), name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
