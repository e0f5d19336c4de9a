package tree

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pack writes the file or folder name as a tar in which it is called as, "." for
// a folder whose contents count. A folder's own file system only, with oneMount.
// Sockets are left out: nobody listens on a copy; and so is what is in the folders
// closed, absolute, where they lie below name.
func (r *Root) Pack(w io.Writer, name, as string, oneMount bool, closed ...string) error {
	p := newPacker(w)
	for _, folder := range closed {
		if below, ok := strings.CutPrefix(folder, strings.TrimSuffix(path.Join("/", name), "/")+"/"); ok {
			p.closed = append(p.closed, path.Join(as, below))
		}
	}
	above, err := r.Folder(path.Dir(clean(name)))
	if err != nil {
		return err
	}
	defer above.Close()
	if oneMount {
		p.mount = above.mount()
	}
	if err := p.entry(above, path.Base(clean(name)), as); err != nil {
		return err
	}
	return p.tar.Close()
}

// mount is the kernel's number of the mount that r lies on (statx(2), Linux 5.8).
func (r *Root) mount() uint64 {
	var st unix.Statx_t
	if err := unix.Statx(int(r.dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0
	}
	return st.Mnt_id
}

// packer writes files as a tar.
type packer struct {
	tar    *tar.Writer
	links  map[[2]uint64]string // names of files that have several
	latest *time.Time
	upper  bool   // the folder is the upper one of an overlay
	mount  uint64 // the only mount that is looked into, 0 for all
	skip   func(name string) bool
	closed []string // folders that are not looked into
	buffer []byte
}

func newPacker(w io.Writer) *packer {
	return &packer{tar: tar.NewWriter(w), links: map[[2]uint64]string{}, buffer: make([]byte, 256<<10)}
}

// inside writes what is in a folder, in order, so that the same files give the
// same archive.
func (p *packer) inside(r *Root, name string) error {
	entries, err := r.list()
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		below := path.Join(name, e.Name())
		if p.skip != nil && p.skip(below) {
			continue
		}
		// What goes away meanwhile is not in the archive.
		if err := p.entry(r, e.Name(), below); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func (p *packer) entry(r *Root, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(r.dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "read", Path: name, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFSOCK {
		return nil
	}
	if p.upper && isWhiteout(&st) {
		return p.whiteout(path.Join(path.Dir(name), whiteoutPrefix+base), &st)
	}
	h := p.header(name, &st)
	if kind == unix.S_IFREG {
		return p.file(r, base, h, &st)
	}
	found, err := r.named(base).read()
	if err != nil {
		return err
	}
	addAttributes(h, found)
	switch kind {
	case unix.S_IFDIR:
		h.Name += "/"
		h.Typeflag = tar.TypeDir
		return p.folder(r, base, name, h, p.upper && string(found[opaque]) == "y", &st)
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = r.readLink(base); err != nil {
			return err
		}
		return p.tar.WriteHeader(h)
	}
	h.Typeflag = map[uint32]byte{unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock, unix.S_IFIFO: tar.TypeFifo}[kind]
	h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	return p.tar.WriteHeader(h)
}

func addAttributes(h *tar.Header, found map[string][]byte) {
	for key, value := range found {
		if portable(key) {
			h.PAXRecords["SCHILY.xattr."+key] = string(value)
		}
	}
}

func (p *packer) header(name string, st *unix.Stat_t) *tar.Header {
	changed := time.Unix(st.Mtim.Unix())
	if p.latest != nil && changed.After(*p.latest) {
		changed = *p.latest
	}
	return &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: changed,
		Format: tar.FormatPAX, PAXRecords: map[string]string{},
	}
}

func (p *packer) whiteout(name string, st *unix.Stat_t) error {
	h := p.header(name, st)
	h.Typeflag, h.Mode = tar.TypeReg, 0
	return p.tar.WriteHeader(h)
}

func (p *packer) folder(r *Root, base, name string, h *tar.Header, hides bool, st *unix.Stat_t) error {
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if slices.Contains(p.closed, name) {
		return nil
	}
	if hides {
		if err := p.whiteout(path.Join(name, whiteoutOpaque), st); err != nil {
			return err
		}
	}
	sub, err := r.below(base)
	if err != nil {
		return err
	}
	defer sub.Close()
	if p.mount != 0 && sub.mount() != p.mount {
		return nil
	}
	return p.inside(sub, name)
}

// file writes a regular file. One that grows or shrinks meanwhile is cut or
// filled with zeros, as tar(1) does.
func (p *packer) file(r *Root, base string, h *tar.Header, st *unix.Stat_t) (err error) {
	// Without waiting, should it have become a pipe.
	fd, err := unix.Openat(int(r.dir.Fd()), base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: h.Name, Err: err}
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.Fstat(fd, st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	found, err := opened(fd).read()
	if err != nil {
		return err
	}
	addAttributes(h, found)
	inode := [2]uint64{st.Dev, st.Ino}
	if first, ok := p.links[inode]; ok {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return p.tar.WriteHeader(h)
	}
	if st.Nlink > 1 {
		p.links[inode] = h.Name
	}
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{p.tar}, io.LimitReader(fdFile(fd), st.Size), p.buffer)
	if err == nil && n < st.Size {
		_, err = io.CopyN(p.tar, zeros{}, st.Size-n)
	}
	return err
}

// zeros is read without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
