package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Unpack unpacks a tar into a folder of r. Whatever the archive says, nothing is
// made outside r: names and links are looked up with r as the root.
func (r *Root) Unpack(dir string, archive *tar.Reader, o CopyOptions) error {
	var folders []*tar.Header // their times come last, when nothing is put into them any more
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		if err := r.unpackEntry(dir, h, archive, o); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
		if h.Typeflag == tar.TypeDir {
			folders = append(folders, h)
		}
	}
	for _, h := range folders {
		name := path.Join(dir, clean(h.Name))
		above, err := r.Folder(path.Dir(name))
		if err != nil {
			return err
		}
		err = errors.Join(above.setTime(path.Base(name), h, o), above.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Root) unpackEntry(dir string, h *tar.Header, content io.Reader, o CopyOptions) (err error) {
	name := path.Join(dir, clean(h.Name))
	owner := Owner{h.Uid, h.Gid}
	if o.Owner != nil {
		owner = *o.Owner
	}
	if h.Typeflag == tar.TypeDir {
		return r.unpackFolder(name, uint32(h.Mode&0o7777), owner)
	}
	above, err := r.MkdirAll(path.Dir(name), 0o755, Owner{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, above.Close()) }()
	base := path.Base(name)
	if err := unix.Unlinkat(int(above.dir.Fd()), base, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		err = above.unpackFile(base, content)
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, int(above.dir.Fd()), base)
	case tar.TypeLink:
		return r.unpackLink(path.Join(dir, clean(h.Linkname)), above, base)
	case tar.TypeFifo:
		err = unix.Mknodat(int(above.dir.Fd()), base, unix.S_IFIFO, 0)
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return errors.New("devices cannot be made without being root")
	}
	if err != nil {
		return err
	}
	return above.finish(base, h, owner, o)
}

func (r *Root) unpackFolder(name string, mode uint32, owner Owner) error {
	made, err := r.MkdirAll(name, 0o755, Owner{})
	if err != nil {
		return err
	}
	defer made.Close()
	if err := made.chown(".", owner); err != nil {
		return err
	}
	return unix.Fchmodat(int(made.dir.Fd()), ".", mode, 0)
}

func (r *Root) unpackFile(base string, content io.Reader) (err error) {
	fd, err := unix.Openat(int(r.dir.Fd()), base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	_, err = io.CopyBuffer(struct{ io.Writer }{fdFile(fd)}, content, make([]byte, 256<<10))
	return err
}

// unpackLink makes another name of a file that the archive, or the image, has.
func (r *Root) unpackLink(target string, above *Root, base string) error {
	in, err := r.Folder(path.Dir(target))
	if err != nil {
		return err
	}
	defer in.Close()
	return unix.Linkat(int(in.dir.Fd()), path.Base(target), int(above.dir.Fd()), base, 0)
}

// finish gives a file that was unpacked its looks.
func (r *Root) finish(base string, h *tar.Header, owner Owner, o CopyOptions) error {
	if err := r.chown(base, owner); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeSymlink {
		mode := uint32(h.Mode & 0o7777)
		if o.Mode != nil {
			mode = o.Mode(mode, false)
		}
		if err := unix.Fchmodat(int(r.dir.Fd()), base, mode, 0); err != nil {
			return err
		}
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok && portable(name) {
			if err := unix.Lsetxattr(r.procPath(base), name, []byte(value), 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
				return err
			}
		}
	}
	return r.setTime(base, h, o)
}

func (r *Root) setTime(base string, h *tar.Header, o CopyOptions) error {
	changed := h.ModTime
	if o.Time != nil {
		changed = *o.Time
	}
	t := unix.NsecToTimespec(changed.UnixNano())
	return unix.UtimesNanoAt(int(r.dir.Fd()), base, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
