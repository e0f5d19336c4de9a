package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
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
	// Layer takes the archive for a layer of an image and r for the layer's folder,
	// where what comes later in the archive counts. Devices are left out: nobody but
	// the administrator can make them.
	Layer bool
	// Whiteouts makes what a layer's archive says is gone what overlayfs takes for
	// that. Otherwise these entries become files, as programs in place of overlayfs
	// want it.
	Whiteouts bool
	// Replace lets what is in the archive win over what is there: a file takes the place
	// of a folder, and a folder that of a file, as with Docker's ADD.
	Replace bool
	// Lenient lets the files of owners that are not in the id map be root's.
	Lenient bool
}

// Archive gives the entries of a tar and then the contents of each, as
// [tar.Reader] does.
type Archive interface {
	Next() (*tar.Header, error)
	io.Reader
}

// Unpack puts the files of a tar into r. Nothing outside of r is touched,
// whatever the archive says and whoever changes r meanwhile. What was unpacked
// before an error stays.
func (r *Root) Unpack(from io.Reader, t Target) error {
	if err := r.UnpackEntries(tar.NewReader(from), t); err != nil {
		return err
	}
	// So that who writes it does not wait. Without its other methods: that of a
	// parallel gzip reader fails after the end.
	_, err := io.Copy(io.Discard, struct{ io.Reader }{from})
	return err
}

// UnpackEntries is Unpack for who reads the archive himself, up to its last entry.
func (r *Root) UnpackEntries(from Archive, t Target) error {
	u := &unpacker{Target: t, tar: from, folders: map[string]*tar.Header{}, buffer: make([]byte, 256<<10)}
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
	defer u.leave()
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
	names := slices.Sorted(maps.Keys(u.folders))
	for _, name := range slices.Backward(names) {
		if err := u.finish(u.folders[name]); err != nil {
			return err
		}
	}
	return nil
}

func badArchive(err error) error { return fmt.Errorf("read the archive: %w", err) }

type unpacker struct {
	Target
	tar     Archive
	root    *Root  // where the names of entries begin
	top     string // what "." is called there
	folders map[string]*tar.Header
	above   *Root // the folder of the last entry, which is likely that of the next
	inside  string
	buffer  []byte
}

// enter opens the folder that an entry goes into, and makes it where the archive
// has not.
func (u *unpacker) enter(name string, o Owner) (*Root, error) {
	if u.above != nil && u.inside == name {
		return u.above, nil
	}
	u.leave()
	above, err := u.root.MkdirAll(name, 0o755, o)
	if err == nil {
		u.above, u.inside = above, name
	}
	return above, err
}

// leave forgets the folder: the next entry may find another under its name.
func (u *unpacker) leave() {
	if u.above != nil {
		u.above.Close()
		u.above = nil
	}
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
		if whole && u.Name != "" && !(u.Contents && folder) {
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
	if local := strings.TrimLeft(entry, "/"); local != "" && !filepath.IsLocal(local) {
		return "", fmt.Errorf("%w: %q leads out of it", ErrHostile, entry)
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
	above, err := u.enter(path.Dir(name), u.implied(h))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if u.Whiteouts && strings.HasPrefix(base, whiteoutPrefix) {
		return u.hide(above, base, h)
	}
	if done, removed, err := u.makeRoom(above, h); done || err != nil {
		return err
	} else if removed {
		defer u.leave()
	}
	switch h.Typeflag {
	case tar.TypeDir:
		u.folders[name] = h
		// Whoever unpacks must be able to put something into it.
		return pathError("mkdir", name, unix.Mkdirat(int(above.dir.Fd()), base, 0o700))
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(above, base, h)
	case tar.TypeSymlink:
		err = pathError("link", name, unix.Symlinkat(h.Linkname, int(above.dir.Fd()), base))
	case tar.TypeLink:
		return u.hardLink(above, base, h)
	case tar.TypeFifo:
		err = pathError("make the pipe", name, unix.Mknodat(int(above.dir.Fd()), base, unix.S_IFIFO|0o600, 0))
	case tar.TypeChar, tar.TypeBlock:
		if u.Layer {
			return nil
		}
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

// hide puts a whiteout in place of what a layer says is gone.
func (u *unpacker) hide(above *Root, base string, h *tar.Header) error {
	if base == whiteoutOpaque {
		return pathError("hide what is below", h.Name, unix.Setxattr(above.procPath("."), opaque, []byte("y"), 0))
	}
	gone := strings.TrimPrefix(base, whiteoutPrefix)
	if err := whiteout(above, gone); err != nil {
		return pathError("hide", h.Name, err)
	}
	return u.setTime(above, gone, h)
}

// makeRoom removes what is in the way of an entry. A folder stays: done is true
// if the entry is one as well.
func (u *unpacker) makeRoom(above *Root, h *tar.Header) (done, removed bool, err error) {
	base := path.Base(h.Name)
	var st unix.Stat_t
	err = unix.Fstatat(int(above.dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, false, nil
	}
	if err != nil {
		return false, false, pathError("look at", h.Name, err)
	}
	there, comes := st.Mode&unix.S_IFMT == unix.S_IFDIR, h.Typeflag == tar.TypeDir
	if comes && !there && !u.NoLinks && !u.Layer {
		if e, err := u.root.Stat(h.Name); err == nil && e.IsDir() {
			return true, false, nil // a link to a folder stays, and is followed inside the root
		}
	}
	switch {
	case there && comes:
		u.folders[h.Name] = h
		return true, false, nil
	case there && (u.Layer || u.Replace):
		maps.DeleteFunc(u.folders, func(name string, _ *tar.Header) bool { return name == h.Name || strings.HasPrefix(name, h.Name+"/") })
		return false, true, os.RemoveAll(above.procPath(base))
	case there:
		return false, false, fmt.Errorf("%s: %w: a file cannot replace it", h.Name, unix.EISDIR)
	case comes && !u.Layer && !u.Replace:
		return false, false, fmt.Errorf("%s: %w: a folder cannot replace it", h.Name, unix.ENOTDIR)
	}
	return false, true, pathError("remove", h.Name, unix.Unlinkat(int(above.dir.Fd()), base, 0))
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

// pathError is err with what it is about, nil for no error.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
