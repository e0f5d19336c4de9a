package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// CopyOptions say what a copy is to look like.
type CopyOptions struct {
	// Owner, if not nil, is who everything will belong to.
	Owner *Owner
	// Mode, if not nil, changes the permission bits.
	Mode func(old uint32, folder bool) uint32
	// Keep, if not nil, is asked whether to copy a file, by its path in the
	// source root. A folder that is left out may still have files in it that are not.
	Keep func(name string, folder bool) bool
	// Time, if not nil, is when everything was changed last.
	Time *time.Time
}

func (o CopyOptions) keep(name string, folder bool) bool {
	return o.Keep == nil || o.Keep(name, folder)
}

func (o CopyOptions) owner(st *unix.Stat_t) Owner {
	if o.Owner != nil {
		return *o.Owner
	}
	return Owner{int(st.Uid), int(st.Gid)}
}

func (o CopyOptions) mode(st *unix.Stat_t) uint32 {
	mode := st.Mode & 0o7777
	if o.Mode != nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
		mode = o.Mode(mode, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	}
	return mode
}

// copier is one copy under way.
type copier struct {
	CopyOptions
	links map[[2]uint64]link // first names of files with several
}

type link struct {
	dir  *os.File
	name string
}

// CopyFile copies the file, link or device src of from to the name dst in to,
// replacing what is there unless that is a folder. The folder above dst exists.
func CopyFile(to *Root, dst string, from *Root, src string, o CopyOptions) error {
	c := &copier{CopyOptions: o, links: map[[2]uint64]link{}}
	defer c.close()
	above, err := to.Folder(path.Dir(clean(dst)))
	if err != nil {
		return err
	}
	defer above.Close()
	source, err := from.Folder(path.Dir(clean(src)))
	if err != nil {
		return err
	}
	defer source.Close()
	return c.file(above, path.Base(dst), source, path.Base(src), src)
}

// CopyFolder copies what is in the folder src of from into dst of to. A dst that
// does not exist is made like src.
func CopyFolder(to *Root, dst string, from *Root, src string, o CopyOptions) error {
	c := &copier{CopyOptions: o, links: map[[2]uint64]link{}}
	defer c.close()
	source, err := from.Folder(src)
	if err != nil {
		return err
	}
	defer source.Close()
	_, missing := to.Stat(dst)
	target, err := to.MkdirAll(dst, 0o755, o.owner(new(unix.Stat_t)))
	if err != nil {
		return err
	}
	defer target.Close()
	if err := c.inside(target, source, clean(src)); err != nil {
		return err
	}
	if missing != nil {
		return c.likeFolder(target, source)
	}
	return nil
}

func (c *copier) close() {
	for _, l := range c.links {
		l.dir.Close()
	}
}

// inside copies what is in a folder; name is the source's path in its root.
func (c *copier) inside(to, from *Root, name string) error {
	entries, err := from.list()
	if err != nil {
		return err
	}
	for _, e := range entries {
		below := path.Join(name, e.Name())
		if e.IsDir() {
			err = c.folder(to, from, e.Name(), below)
		} else if c.keep(below, false) {
			err = c.file(to, e.Name(), from, e.Name(), below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// folder copies one folder. One that is to be left out is made when something in
// it is not.
func (c *copier) folder(to, from *Root, name, below string) error {
	source, err := from.below(name)
	if err != nil {
		return err
	}
	defer source.Close()
	if !c.keep(below, true) && !c.keepsAny(source, below) {
		return nil
	}
	made := false
	err = unix.Mkdirat(int(to.dir.Fd()), name, 0o755)
	switch {
	case err == nil:
		made = true
	case !errors.Is(err, unix.EEXIST):
		return &os.PathError{Op: "mkdir", Path: below, Err: err}
	}
	target, err := to.Folder(name)
	if err != nil {
		return fmt.Errorf("cannot copy a folder over a file: %w", err)
	}
	defer target.Close()
	if err := c.inside(target, source, below); err != nil || !made {
		return err
	}
	return c.likeFolder(target, source)
}

func (c *copier) keepsAny(r *Root, name string) bool {
	entries, _ := r.list()
	for _, e := range entries {
		below := path.Join(name, e.Name())
		if c.keep(below, e.IsDir()) {
			return true
		}
		if !e.IsDir() {
			continue
		}
		if sub, err := r.below(e.Name()); err == nil {
			any := c.keepsAny(sub, below)
			sub.Close()
			if any {
				return true
			}
		}
	}
	return false
}

// likeFolder gives a new folder the source's looks, after it was filled.
func (c *copier) likeFolder(to, from *Root) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.dir.Fd()), &st); err != nil {
		return err
	}
	return c.like(to, ".", from, ".", &st)
}

// file copies one file, link or device.
func (c *copier) file(to *Root, name string, from *Root, source, below string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy %s: %w", below, err)
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstatat(int(from.dir.Fd()), source, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Unlinkat(int(to.dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if st.Nlink > 1 && c.linked(to, name, &st) {
		return nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = copyContent(to, name, from, source)
	case unix.S_IFLNK:
		err = copyLink(to, name, from, source)
	case unix.S_IFSOCK:
		return nil // it means nothing without its process
	default:
		err = unix.Mknodat(int(to.dir.Fd()), name, st.Mode, int(st.Rdev))
	}
	if err != nil {
		return err
	}
	return c.like(to, name, from, source, &st)
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

func copyContent(to *Root, name string, from *Root, source string) (err error) {
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
	for {
		n, err := unix.CopyFileRange(in, nil, out, nil, 1<<30, 0)
		switch {
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return copySlowly(out, in)
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
}

// copySlowly goes on where the kernel cannot copy between two file systems.
func copySlowly(out, in int) error {
	buffer := make([]byte, 256<<10)
	_, err := io.CopyBuffer(struct{ io.Writer }{fdFile(out)}, struct{ io.Reader }{fdFile(in)}, buffer)
	return err
}

func copyLink(to *Root, name string, from *Root, source string) error {
	target, err := from.readLink(source)
	if err != nil {
		return err
	}
	return unix.Symlinkat(target, int(to.dir.Fd()), name)
}

// like gives a copy its owner, mode, attributes and time: in this order, because
// a change of owner clears set-user-id bits and capabilities.
func (c *copier) like(to *Root, name string, from *Root, source string, st *unix.Stat_t) error {
	if err := to.chown(name, c.owner(st)); err != nil {
		return err
	}
	fd := int(to.dir.Fd())
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(fd, name, c.mode(st), 0); err != nil {
			return err
		}
		if err := copyAttributes(to, name, from, source); err != nil {
			return err
		}
	}
	times := []unix.Timespec{st.Mtim, st.Mtim}
	if c.Time != nil {
		t := unix.NsecToTimespec(c.Time.UnixNano())
		times = []unix.Timespec{t, t}
	}
	return unix.UtimesNanoAt(fd, name, times, unix.AT_SYMLINK_NOFOLLOW)
}
