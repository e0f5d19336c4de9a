package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An Owner translates the owner of a file of the image to that of its copy.
type Owner func(uid, gid int) (int, int)

func asIs(uid, gid int) (int, int) { return uid, gid }

// CopyTree copies what is in the folder from, which nobody changes meanwhile,
// to the empty folder to, with owners, modes, times, extended attributes, links
// and holes. from may lie behind /proc/self/fd. owner may be nil.
func CopyTree(from, to string, owner Owner) error {
	if owner == nil {
		owner = asIs
	}
	c := copier{owner: owner, linked: make(map[file]string)}
	// With the dot a link, such as those in /proc/self/fd, stands for its target.
	if err := c.folder(from+"/.", to); err != nil {
		return fmt.Errorf("fill the volume: %w", err)
	}
	return nil
}

type copier struct {
	owner  Owner
	linked map[file]string // copies of files with several names
}

// file names a file of the source by device and inode.
type file struct{ dev, ino uint64 }

// folder copies what is in a folder and then what is known of itself: its mode
// may forbid writing, and writing changes its times.
func (c *copier) folder(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.entry(from+"/"+e.Name(), to+"/"+e.Name(), e); err != nil {
			return err
		}
	}
	if err := copyMeta(from, to, c.owner); err != nil {
		return err
	}
	return copyTimes(from, to)
}

func (c *copier) entry(from, to string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	id := file{st.Dev, st.Ino}
	if first, ok := c.linked[id]; ok && !info.IsDir() {
		return os.Link(first, to)
	}
	if st.Nlink > 1 && !info.IsDir() {
		c.linked[id] = to
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return c.folder(from, to)
	case fs.ModeSymlink:
		return c.symlink(from, to, st)
	case 0:
		err = copyFile(from, to)
	case fs.ModeNamedPipe:
		err = unix.Mkfifo(to, 0o600)
	default:
		return nil // devices and sockets mean nothing in another place
	}
	if err == nil {
		err = copyMeta(from, to, c.owner)
	}
	if err == nil {
		err = copyTimes(from, to)
	}
	return err
}

func (c *copier) symlink(from, to string, st *syscall.Stat_t) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	uid, gid := c.owner(int(st.Uid), int(st.Gid))
	if err := os.Lchown(to, uid, gid); err != nil {
		return err
	}
	return copyTimes(from, to)
}

// copyFile copies the data of a file; the kernel shares it where the file system
// can.
func copyFile(from, to string) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyData(in, out)
	return errors.Join(err, out.Close())
}

// copyData copies from one piece of data to the next: a file with holes keeps
// them.
func copyData(in, out *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	for off := int64(0); off < info.Size(); {
		data, err := in.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil { // the file system knows no holes
			data = off
		}
		hole, err := in.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			hole = info.Size()
		}
		if _, err := in.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, hole-data); err != nil {
			return err
		}
		off = hole
	}
	return out.Truncate(info.Size())
}

// copyMeta copies owner, extended attributes and mode, in this order: a change
// of the owner drops set-user-id and file capabilities.
func copyMeta(from, to string, owner Owner) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	uid, gid := owner(int(st.Uid), int(st.Gid))
	if err := os.Lchown(to, uid, gid); err != nil {
		return err
	}
	if err := copyAttributes(from, to); err != nil {
		return err
	}
	if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
		return &fs.PathError{Op: "chmod", Path: to, Err: err}
	}
	return nil
}

func copyTimes(from, to string) error {
	times, err := timesOf(from)
	if err != nil {
		return err
	}
	return setTimes(to, times)
}

// timesOf returns when a file was read and written last.
func timesOf(path string) ([]unix.Timespec, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return []unix.Timespec{st.Atim, st.Mtim}, nil
}

func setTimes(path string, times []unix.Timespec) error {
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "set times of", Path: path, Err: err}
	}
	return nil
}

// copyAttributes copies extended attributes but for those of overlayfs, which
// say how layers lie on each other, and of SELinux, which depend on the place.
func copyAttributes(from, to string) error {
	names, err := attributes(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "trusted.") || name == "security.selinux" {
			continue
		}
		value, err := attribute(from, name)
		if err == nil {
			err = unix.Lsetxattr(to, name, value, 0)
		}
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENODATA) {
			return &fs.PathError{Op: "copy attribute " + name + " of", Path: from, Err: err}
		}
	}
	return nil
}

func attributes(path string) ([]string, error) {
	size, err := unix.Listxattr(path, nil)
	if err != nil || size == 0 {
		if errors.Is(err, unix.ENOTSUP) {
			err = nil
		}
		return nil, err
	}
	list := make([]byte, size)
	size, err = unix.Listxattr(path, list)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(list[:size]), func(r rune) bool { return r == 0 }), nil
}

func attribute(path, name string) ([]byte, error) {
	size, err := unix.Getxattr(path, name, nil)
	if err != nil || size == 0 {
		return nil, err
	}
	value := make([]byte, size)
	size, err = unix.Getxattr(path, name, value)
	if err != nil {
		return nil, err
	}
	return value[:size], nil
}
