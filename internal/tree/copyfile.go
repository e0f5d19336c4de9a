package tree

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// file copies one file, link or device.
func (c *copier) file(to place, name string, from *Root, source, below string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy %s: %w", below, err)
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstatat(int(from.dir.Fd()), source, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if !to.fresh {
		if err := unix.Unlinkat(int(to.dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if st.Nlink > 1 {
		// Until it is there: the next one with this inode becomes a link to it.
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.linked(to.Root, name, &st) {
			c.Seen.add(&st)
			return nil
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		return c.regular(to.Root, name, from, source, &st)
	}
	c.Seen.add(&st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		err = copyLink(to.Root, name, from, source)
	case unix.S_IFSOCK:
		return nil // it means nothing without its process
	default:
		err = to.device(name, &st)
	}
	if err != nil {
		return err
	}
	return c.like(to.Root, name, from, source, &st)
}

// device makes a device or a pipe.
func (p place) device(name string, st *unix.Stat_t) error {
	if isWhiteout(st) && p.direct {
		return unix.EPERM // as from overlayfs: it would hide a file
	}
	return unix.Mknodat(int(p.dir.Fd()), name, st.Mode, int(st.Rdev))
}

// linked makes name another name of a file that was copied already.
func (c *copier) linked(to *Root, name string, st *unix.Stat_t) bool {
	inode := [2]uint64{st.Dev, st.Ino}
	if first, ok := c.links[inode]; ok {
		return unix.Linkat(int(first.dir.Fd()), first.name, int(to.dir.Fd()), name, 0) == nil
	}
	if fd, err := unix.FcntlInt(to.dir.Fd(), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		c.links[inode] = link{os.NewFile(uintptr(fd), name), name}
	}
	return false
}

// regular copies a regular file. All is done through the two descriptors, which
// is a third of the work of doing it by name.
func (c *copier) regular(to *Root, name string, from *Root, source string, st *unix.Stat_t) (err error) {
	in, err := unix.Openat(int(from.dir.Fd()), source, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := unix.Openat(int(to.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(out)) }()
	if err := c.content(out, in, st.Size); err != nil {
		return err
	}
	if err := c.Seen.addOpened(in); err != nil {
		return err
	}
	// In this order: a change of owner clears set-user-id bits and capabilities.
	o := c.owner(st)
	if err := unix.Fchown(out, o.UID, o.GID); err != nil {
		return chownError(name, o, err)
	}
	if err := unix.Fchmod(out, c.mode(st)); err != nil {
		return err
	}
	if err := c.attributes(opened(out), opened(in)); err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(to.dir.Fd()), name, c.times(st), unix.AT_SYMLINK_NOFOLLOW)
}

// copyBuffer is how much is copied at once. Of what is bigger, the kernel may
// let both files share one place on the disk.
const copyBuffer = 256 << 10

func (c *copier) content(out, in int, size int64) error {
	for size > copyBuffer {
		n, err := unix.CopyFileRange(in, nil, out, nil, 1<<30, 0)
		switch {
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return c.contentByHand(out, in, size)
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
	return c.contentByHand(out, in, size)
}

// contentByHand copies what is left; a file that claims to have a size has it.
func (c *copier) contentByHand(out, in int, size int64) error {
	buffer := c.buffers.Get().(*[copyBuffer]byte)
	defer c.buffers.Put(buffer)
	for done := int64(0); size == 0 || done < size; {
		n, err := unix.Read(in, buffer[:])
		if err != nil || n == 0 {
			return err
		}
		if _, err := fdFile(out).Write(buffer[:n]); err != nil {
			return err
		}
		done += int64(n)
	}
	return nil
}

func copyLink(to *Root, name string, from *Root, source string) error {
	target, err := from.readLink(source)
	if err != nil {
		return err
	}
	return unix.Symlinkat(target, int(to.dir.Fd()), name)
}

// like gives a copy that is no regular file its owner, mode, attributes and time.
func (c *copier) like(to *Root, name string, from *Root, source string, st *unix.Stat_t) error {
	if err := to.chown(name, c.owner(st)); err != nil {
		return err
	}
	fd := int(to.dir.Fd())
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(fd, name, c.mode(st), 0); err != nil {
			return err
		}
		if err := c.attributes(to.named(name), from.named(source)); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(fd, name, c.times(st), unix.AT_SYMLINK_NOFOLLOW)
}

// times are those of last access and last change.
func (c *copier) times(st *unix.Stat_t) []unix.Timespec {
	changed := st.Mtim
	switch {
	case c.Time != nil:
		changed = unix.NsecToTimespec(c.Time.UnixNano())
	case c.latest != nil && time.Unix(changed.Unix()).After(*c.latest):
		changed = unix.NsecToTimespec(c.latest.UnixNano())
	}
	return []unix.Timespec{changed, changed}
}
