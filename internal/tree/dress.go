package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dress gives a new file its owner, mode, attributes and time: in this order,
// because a change of owner clears set-user-id bits and capabilities.
func (u *unpacker) dress(above *Root, base string, h *tar.Header) error {
	if u.chowns() {
		if err := u.mayChown(above.chown(base, u.owner(h))); err != nil {
			return err
		}
	}
	link := h.Typeflag == tar.TypeSymlink
	if !link {
		if err := u.attributes(above.procPath(base), h); err != nil {
			return err
		}
	}
	return u.setTime(above, base, h)
}

// chowns reports whether owners are to be set: without an archive's owners and
// without rights, new files have the only one that they can have.
func (u *unpacker) chowns() bool { return u.Owner == nil || os.Geteuid() == 0 }

// mayChown forgives an owner that the id map does not have.
func (u *unpacker) mayChown(err error) error {
	if u.Lenient && errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func (u *unpacker) setTime(above *Root, base string, h *tar.Header) error {
	modified := h.ModTime
	if u.Time != nil {
		modified = *u.Time
	}
	changed := unix.NsecToTimespec(modified.UnixNano())
	return pathError("set the time of", h.Name, unix.UtimesNanoAt(int(above.dir.Fd()), base, []unix.Timespec{changed, changed}, unix.AT_SYMLINK_NOFOLLOW))
}

// attributes sets the mode and the extended attributes of what is no link. The
// path is one below an open folder; a link that took its place is not followed
// by Lsetxattr, and a mode is set through a descriptor.
func (u *unpacker) attributes(file string, h *tar.Header) error {
	fd, err := unix.Open(file, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return pathError("open", h.Name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return errors.Join(err, fmt.Errorf("%s was changed by somebody else", h.Name))
	}
	opened := "/proc/self/fd/" + strconv.Itoa(fd)
	if err := unix.Chmod(opened, uint32(h.Mode&0o7777)); err != nil {
		return pathError("chmod", h.Name, err)
	}
	return extend(h, func(key string, value []byte) error { return unix.Setxattr(opened, key, value, 0) })
}

// extend sets the extended attributes that an entry has and the file system takes.
func extend(h *tar.Header, set func(key string, value []byte) error) error {
	for key, value := range h.PAXRecords {
		key, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || !portable(key) {
			continue
		}
		err := set(key, []byte(value))
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM) {
			return pathError("set "+key+" of", h.Name, err)
		}
	}
	return nil
}

// finish gives a folder what it could not have before its contents were there.
func (u *unpacker) finish(h *tar.Header) error {
	above, err := u.root.Folder(path.Dir(h.Name))
	if err != nil {
		return err
	}
	defer above.Close()
	return u.dress(above, path.Base(h.Name), h)
}

func (u *unpacker) owner(h *tar.Header) Owner {
	if u.Owner != nil {
		return *u.Owner
	}
	return Owner{h.Uid, h.Gid}
}

// implied is who a folder belongs to that an entry needs and the archive lacks.
func (u *unpacker) implied(h *tar.Header) Owner {
	if u.Layer {
		return Owner{}
	}
	return u.owner(h)
}
