// Package tree works on folders that somebody else has filled: the context of a
// build, and the root file systems of images and containers.
//
// Every path is looked up by the kernel with the folder as its root
// (openat2(2), RESOLVE_IN_ROOT), so that neither ".." nor a symbolic link leads
// out of it, and nobody who changes it meanwhile gets a second chance.
package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is an opened folder.
type Root struct {
	dir *os.File
	// noLinks refuses symbolic links, where following them inside the folder is
	// not good enough.
	noLinks bool
}

// Open opens a folder of the host.
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &Root{dir: os.NewFile(uintptr(fd), dir)}, nil
}

// Close gives the folder back.
func (r *Root) Close() error { return r.dir.Close() }

// Fd is the descriptor of the folder, open as a place (O_PATH).
func (r *Root) Fd() uintptr { return r.dir.Fd() }

// at opens name in the folder dir, following links inside r if flags let it.
func (r *Root) at(name string, flags int) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if r.noLinks {
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := unix.Openat2(int(r.dir.Fd()), clean(name), how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// clean makes a path relative to the root.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// Stat describes a file, following links.
func (r *Root) Stat(name string) (Entry, error) { return r.stat(name, unix.O_PATH) }

// Lstat describes a file, or the link itself.
func (r *Root) Lstat(name string) (Entry, error) { return r.stat(name, unix.O_PATH|unix.O_NOFOLLOW) }

func (r *Root) stat(name string, flags int) (e Entry, err error) {
	f, err := r.at(name, flags)
	if err != nil {
		return e, err
	}
	defer f.Close()
	e.Path = name
	return e, unix.Fstat(int(f.Fd()), &e.stat)
}

// OpenFile opens a regular file for reading.
func (r *Root) OpenFile(name string) (io.ReadCloser, error) {
	f, err := r.at(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	return f, nil
}

// OpenPath opens a file only as a place (O_PATH), following links.
func (r *Root) OpenPath(name string) (*os.File, error) { return r.at(name, unix.O_PATH) }

// Folder opens a folder in the root as a root of its own.
func (r *Root) Folder(name string) (*Root, error) {
	f, err := r.at(name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &Root{dir: f, noLinks: r.noLinks}, nil
}

// list returns the names in the folder.
func (r *Root) list() ([]os.DirEntry, error) {
	f, err := r.at(".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// MkdirAll makes a folder and those above it, the new ones with a mode and an
// owner. It returns the folder, opened. Where a link on the way leads to nothing, the
// folder that it leads to is made.
func (r *Root) MkdirAll(name string, mode uint32, o Owner) (*Root, error) {
	made, err := r.mkdirAll(name, mode, o)
	if !errors.Is(err, unix.EEXIST) {
		return made, err
	}
	real, err := r.Resolve(name)
	if err != nil {
		return nil, err
	}
	return r.mkdirAll(real, mode, o)
}

func (r *Root) mkdirAll(name string, mode uint32, o Owner) (*Root, error) {
	at, err := r.Folder(".")
	if err != nil {
		return nil, err
	}
	sofar := ""
	for part := range strings.SplitSeq(clean(name), "/") {
		sofar = path.Join(sofar, part)
		// From the root each time: a link on the way may be absolute.
		next, err := r.Folder(sofar)
		if errors.Is(err, unix.ENOENT) {
			if err = at.mkdir(part, mode, o); err == nil {
				next, err = r.Folder(sofar)
			}
		}
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// mkdir makes a folder right below r.
func (r *Root) mkdir(name string, mode uint32, o Owner) error {
	fd := int(r.dir.Fd())
	if err := unix.Mkdirat(fd, name, mode); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	if err := unix.Fchmodat(fd, name, mode, 0); err != nil {
		return &os.PathError{Op: "chmod", Path: name, Err: err}
	}
	return r.chown(name, o)
}

func (r *Root) chown(name string, o Owner) error {
	return chownError(name, o, unix.Fchownat(int(r.dir.Fd()), name, o.UID, o.GID, unix.AT_SYMLINK_NOFOLLOW))
}

// chownError is err of a change of owner, nil for no error. The kernel calls an owner that
// the id map does not have an invalid argument.
func chownError(name string, o Owner, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%s cannot belong to %d:%d: your containers have fewer ids (see /etc/subuid and /etc/subgid): choose another owner, in a build with --chown: %w", name, o.UID, o.GID, err)
	}
	return pathError("chown", name, err)
}

// Owner is who a file belongs to, in ids of the user namespace.
type Owner struct{ UID, GID int }

// Entry describes a file in a Root.
type Entry struct {
	Path string
	stat unix.Stat_t
}

// IsDir reports whether it is a folder.
func (e Entry) IsDir() bool { return e.stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular reports whether it is a plain file.
func (e Entry) IsRegular() bool { return e.stat.Mode&unix.S_IFMT == unix.S_IFREG }

// Mode is its permission bits.
func (e Entry) Mode() uint32 { return e.stat.Mode & 0o7777 }

// Size is its length in bytes.
func (e Entry) Size() int64 { return e.stat.Size }

// below opens a folder right below r, not following a link.
func (r *Root) below(name string) (*Root, error) {
	fd, err := unix.Openat(int(r.dir.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &Root{dir: os.NewFile(uintptr(fd), name), noLinks: r.noLinks}, nil
}
