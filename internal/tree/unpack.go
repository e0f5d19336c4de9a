package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHostile is wrapped by errors about an archive that reaches for what is not
// its own.
var ErrHostile = errors.New("the archive is not safe to unpack")

// Target says where an archive goes.
type Target struct {
	// Path is where the person wants it. What happens there depends on what is
	// there, as cp(1) has it.
	Path string
	// Name is what the archive's "." is called in a folder that exists.
	Name string
	// Contents puts what is in a folder "." right into a folder that exists.
	Contents bool
	// Owner, if not nil, is who everything will belong to; otherwise the owners
	// of the archive count.
	Owner *Owner
	// Time, if not nil, is when everything was changed last.
	Time *time.Time
	// NoLinks refuses to go through symbolic links below Path, which somebody
	// who is not trusted may have put there, or into the archive.
	NoLinks bool
	// Layer takes the archive for a layer of an image and r for the upper folder of
	// an overlay: it is what WriteLayer wrote.
	Layer bool
}

// Unpack puts the files of a tar into r. Nothing outside of r is touched,
// whatever the archive says and whoever changes r meanwhile. What was unpacked
// before an error stays.
func (r *Root) Unpack(from io.Reader, t Target) error {
	u := &unpacker{Target: t, tar: tar.NewReader(from), buffer: make([]byte, 256<<10)}
	first, err := u.tar.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return badArchive(err)
	}
	if err := u.place(r, first); err != nil {
		return err
	}
	defer u.root.Close()
	for h := first; ; {
		if err := u.entry(h); err != nil {
			return err
		}
		if h, err = u.tar.Next(); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return badArchive(err)
		}
	}
	// A folder's time changes with what is put into it, and its mode may not
	// let us: the innermost first.
	for _, h := range slices.Backward(u.folders) {
		if err := u.finish(h); err != nil {
			return err
		}
	}
	// So that who writes it does not wait. Without its other methods: that of a
	// parallel gzip reader fails after the end.
	_, err = io.Copy(io.Discard, struct{ io.Reader }{from})
	return err
}

func badArchive(err error) error { return fmt.Errorf("read the archive: %w", err) }

type unpacker struct {
	Target
	tar     *tar.Reader
	root    *Root  // where the names of entries begin
	top     string // what "." is called there
	folders []*tar.Header
	buffer  []byte
}

// place decides where the archive goes, by what is at Path and what comes.
func (u *unpacker) place(r *Root, first *tar.Header) error {
	whole := path.Clean(first.Name) == "."
	wanted, err := r.Resolve(u.Path)
	if err != nil {
		return err
	}
	there, err := r.Lstat(wanted)
	missing := errors.Is(err, unix.ENOENT)
	folder := first.Typeflag == tar.TypeDir
	switch {
	case err != nil && !missing:
		return err
	case !missing && there.IsDir():
		u.top = "."
		if whole && !(u.Contents && folder) {
			u.top = u.Name
		}
		u.root, err = u.folder(r, wanted)
		return err
	case !whole:
		return fmt.Errorf("%s: %w: an archive needs a folder that exists", u.Path, unix.ENOTDIR)
	case missing && !folder && strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("%s: %w: make that folder first", u.Path, unix.ENOENT)
	case !missing && folder:
		return fmt.Errorf("%s: %w: a folder cannot replace it", u.Path, unix.ENOTDIR)
	case !missing && strings.HasSuffix(u.Path, "/"):
		return pathError("open", u.Path, unix.ENOTDIR)
	}
	u.top = path.Base(wanted)
	u.root, err = u.folder(r, path.Dir(wanted))
	return err
}

// folder opens the folder that entries go into.
func (u *unpacker) folder(r *Root, name string) (*Root, error) {
	f, err := r.Folder(name)
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%s: %w: make that folder first", "/"+clean(name), unix.ENOENT)
	}
	if err != nil {
		return nil, err
	}
	f.noLinks = u.NoLinks
	return f, nil
}

// name is where an entry goes, below u.root.
func (u *unpacker) name(entry string) (string, error) {
	for part := range strings.SplitSeq(entry, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w: %q leads out of it", ErrHostile, entry)
		}
	}
	if strings.ContainsRune(entry, 0) {
		return "", fmt.Errorf("%w: a name with a zero byte", ErrHostile)
	}
	if rest := clean(entry); rest != "." {
		return path.Join(u.top, rest), nil
	}
	return u.top, nil
}

func (u *unpacker) entry(h *tar.Header) error {
	name, err := u.name(h.Name)
	if err != nil {
		return err
	}
	h.Name = name
	if name == "." {
		return nil // a folder that was there keeps what it has
	}
	above, err := u.root.MkdirAll(path.Dir(name), 0o755, u.owner(h))
	if err != nil {
		return err
	}
	defer above.Close()
	base := path.Base(name)
	if gone, ok := strings.CutPrefix(base, whiteoutPrefix); ok && u.Layer {
		if base == whiteoutOpaque {
			return pathError("hide what is below", name, unix.Setxattr(above.procPath("."), opaque, []byte("y"), 0))
		}
		if err := whiteout(above, gone); err != nil {
			return pathError("hide", name, err)
		}
		t := unix.NsecToTimespec(h.ModTime.UnixNano())
		return pathError("set the time of", name, unix.UtimesNanoAt(int(above.dir.Fd()), gone, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW))
	}
	if done, err := u.makeRoom(above, h); done || err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		u.folders = append(u.folders, h)
		// Whoever unpacks must be able to put something into it.
		return pathError("mkdir", name, unix.Mkdirat(int(above.dir.Fd()), base, 0o700))
	case tar.TypeReg:
		err = u.file(above, base, h)
	case tar.TypeSymlink:
		err = pathError("link", name, unix.Symlinkat(h.Linkname, int(above.dir.Fd()), base))
	case tar.TypeLink:
		return u.hardLink(above, base, h)
	case tar.TypeFifo:
		err = pathError("make the pipe", name, unix.Mknodat(int(above.dir.Fd()), base, unix.S_IFIFO|0o600, 0))
	case tar.TypeChar, tar.TypeBlock:
		return fmt.Errorf("%w: %s is a device, which only the administrator can make", ErrHostile, name)
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("%w: %s is of the unknown kind %q", ErrHostile, name, h.Typeflag)
	}
	if err != nil {
		return err
	}
	return u.dress(above, base, h)
}

// makeRoom removes what is in the way of an entry. A folder stays: done is true
// if the entry is one as well.
func (u *unpacker) makeRoom(above *Root, h *tar.Header) (done bool, err error) {
	base := path.Base(h.Name)
	var st unix.Stat_t
	err = unix.Fstatat(int(above.dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, pathError("look at", h.Name, err)
	}
	there, comes := st.Mode&unix.S_IFMT == unix.S_IFDIR, h.Typeflag == tar.TypeDir
	if comes && !there && !u.NoLinks {
		if e, err := u.root.Stat(h.Name); err == nil && e.IsDir() {
			return true, nil // a link to a folder stays, and is followed inside the root
		}
	}
	switch {
	case there && comes:
		u.folders = append(u.folders, h)
		return true, nil
	case there:
		return false, fmt.Errorf("%s: %w: a file cannot replace it", h.Name, unix.EISDIR)
	case comes:
		return false, fmt.Errorf("%s: %w: a folder cannot replace it", h.Name, unix.ENOTDIR)
	}
	return false, pathError("remove", h.Name, unix.Unlinkat(int(above.dir.Fd()), base, 0))
}

// file writes a regular file. Pieces of zeros become holes, so that an archive
// that claims to hold gigabytes of them takes none.
func (u *unpacker) file(above *Root, base string, h *tar.Header) (err error) {
	fd, err := unix.Openat(int(above.dir.Fd()), base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pathError("create", h.Name, err)
	}
	defer func() {
		err = errors.Join(err, unix.Close(fd))
		if err != nil {
			unix.Unlinkat(int(above.dir.Fd()), base, 0)
		}
	}()
	for at := int64(0); ; {
		n, err := io.ReadFull(u.tar, u.buffer)
		if n > 0 && !zero(u.buffer[:n]) {
			if _, err := (fdAt{fd, at}).write(u.buffer[:n]); err != nil {
				return pathError("write", h.Name, err)
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && at == h.Size {
			return pathError("write", h.Name, unix.Ftruncate(fd, at))
		}
		if err != nil {
			return badArchive(err)
		}
	}
}

var noBytes [4096]byte

// zero reports whether there is nothing but zeros.
func zero(b []byte) bool {
	for len(b) > len(noBytes) {
		if !bytes.Equal(b[:len(noBytes)], noBytes[:]) {
			return false
		}
		b = b[len(noBytes):]
	}
	return bytes.Equal(b, noBytes[:len(b)])
}

// fdAt is a place in an open file.
type fdAt struct {
	fd int
	at int64
}

func (f fdAt) write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n, err := unix.Pwrite(f.fd, b[done:], f.at+int64(done))
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(b), nil
}

// hardLink links to a file of the same archive.
func (u *unpacker) hardLink(above *Root, base string, h *tar.Header) error {
	old, err := u.name(h.Linkname)
	if err != nil {
		return err
	}
	dir, err := u.root.Folder(path.Dir(old))
	if err != nil {
		return err
	}
	defer dir.Close()
	return pathError("link", h.Name, unix.Linkat(int(dir.dir.Fd()), path.Base(old), int(above.dir.Fd()), base, 0))
}

// dress gives a new file its owner, mode, attributes and time: in this order,
// because a change of owner clears set-user-id bits and capabilities.
func (u *unpacker) dress(above *Root, base string, h *tar.Header) error {
	if u.Owner == nil || os.Geteuid() == 0 {
		if err := above.chown(base, u.owner(h)); err != nil {
			return err
		}
	}
	link := h.Typeflag == tar.TypeSymlink
	if !link {
		if err := u.attributes(above.procPath(base), h); err != nil {
			return err
		}
	}
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
	for key, value := range h.PAXRecords {
		key, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || !portable(key) {
			continue
		}
		err := unix.Setxattr(opened, key, []byte(value), 0)
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

// pathError is err with what it is about, nil for no error.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
