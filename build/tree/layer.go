package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names by which a layer's archive says what is gone.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// WriteLayer writes the upper folder of an overlay as a layer of an image: a tar
// in which a deleted file is an empty one named ".wh.NAME". With a latest time
// nothing in it is younger.
func (r *Root) WriteLayer(w io.Writer, latest *time.Time) error {
	l := &layer{tar: tar.NewWriter(w), latest: latest, links: map[[2]uint64]string{}}
	if err := l.inside(r, ""); err != nil {
		return err
	}
	return l.tar.Close()
}

type layer struct {
	tar    *tar.Writer
	latest *time.Time
	links  map[[2]uint64]string
}

// inside writes what is in a folder, in order, so that the same files give the
// same archive.
func (l *layer) inside(r *Root, name string) error {
	entries, err := r.list()
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if err := l.entry(r, e.Name(), path.Join(name, e.Name())); err != nil {
			return fmt.Errorf("layer: %s: %w", path.Join(name, e.Name()), err)
		}
	}
	return nil
}

func (l *layer) entry(r *Root, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(r.dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFSOCK {
		return nil
	}
	if kind == unix.S_IFCHR && st.Rdev == 0 {
		return l.whiteout(path.Join(path.Dir(name), whiteoutPrefix+base), &st)
	}
	h := l.header(name, &st)
	found, err := r.attributes(base)
	if err != nil {
		return err
	}
	for key, value := range found {
		if portable(key) {
			h.PAXRecords["SCHILY.xattr."+key] = string(value)
		}
	}
	switch kind {
	case unix.S_IFDIR:
		h.Name += "/"
		h.Typeflag = tar.TypeDir
		return l.folder(r, base, name, h, string(found[opaque]) == "y", &st)
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = r.readLink(base); err != nil {
			return err
		}
		return l.tar.WriteHeader(h)
	case unix.S_IFREG:
		return l.file(r, base, h, &st)
	}
	h.Typeflag = map[uint32]byte{unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock, unix.S_IFIFO: tar.TypeFifo}[kind]
	h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	return l.tar.WriteHeader(h)
}

func (l *layer) header(name string, st *unix.Stat_t) *tar.Header {
	changed := time.Unix(st.Mtim.Unix())
	if l.latest != nil && changed.After(*l.latest) {
		changed = *l.latest
	}
	return &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: changed,
		Format: tar.FormatPAX, PAXRecords: map[string]string{},
	}
}

func (l *layer) whiteout(name string, st *unix.Stat_t) error {
	h := l.header(name, st)
	h.Typeflag, h.Mode = tar.TypeReg, 0
	return l.tar.WriteHeader(h)
}

func (l *layer) folder(r *Root, base, name string, h *tar.Header, hides bool, st *unix.Stat_t) error {
	if err := l.tar.WriteHeader(h); err != nil {
		return err
	}
	if hides {
		if err := l.whiteout(path.Join(name, whiteoutOpaque), st); err != nil {
			return err
		}
	}
	sub, err := r.below(base)
	if err != nil {
		return err
	}
	defer sub.Close()
	return l.inside(sub, name)
}

func (l *layer) file(r *Root, base string, h *tar.Header, st *unix.Stat_t) (err error) {
	inode := [2]uint64{st.Dev, st.Ino}
	if first, ok := l.links[inode]; ok && st.Nlink > 1 {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return l.tar.WriteHeader(h)
	}
	l.links[inode] = h.Name
	fd, err := unix.Openat(int(r.dir.Fd()), base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if err := l.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(l.tar, fdFile(fd), st.Size)
	return err
}
