package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Hash returns the digest of a file's content, given the folder it is in.
type Hash func(in *Root, name string, e Entry) (string, error)

// Content reads a file and returns the digest of what is in it, and of the attributes
// that a copy would have.
func Content(in *Root, name string, e Entry) (string, error) {
	fd, err := unix.Openat(int(in.dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, struct{ io.Reader }{fdFile(fd)}, make([]byte, min(e.Size()+1, 256<<10))); err != nil {
		return "", err
	}
	if err := opened(fd).digest(hash); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// digest writes the attributes that a copy would have.
func (a attributed) digest(w io.Writer) error {
	found, err := a.read()
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if portable(key) {
			fmt.Fprintf(w, "\x00%q %q", key, found[key])
		}
	}
	return err
}

// Digest writes to w a line for every file that a copy with these options would
// make of name, a folder or a file: what it is, not when it was changed.
func (r *Root) Digest(w io.Writer, name string, o CopyOptions, hash Hash) error {
	o.names = map[[2]uint64]string{}
	e, err := r.Lstat(name)
	if err != nil {
		return err
	}
	if !e.IsDir() {
		above, err := r.Folder(path.Dir(clean(name)))
		if err != nil {
			return err
		}
		defer above.Close()
		return o.line(w, above, path.Base(clean(name)), ".", hash)
	}
	if err := r.lineOf(w, name, o); err != nil {
		return err
	}
	return r.DigestInside(w, name, o, hash)
}

func (r *Root) lineOf(w io.Writer, folder string, o CopyOptions) error {
	dir, err := r.Folder(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return o.line(w, dir, ".", ".", nil)
}

// DigestInside is Digest of what is in a folder, as CopyFolder copies it to one that
// is there: what the folder itself looks like means nothing.
func (r *Root) DigestInside(w io.Writer, name string, o CopyOptions, hash Hash) error {
	o.names = map[[2]uint64]string{}
	dir, err := r.Folder(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return o.lines(w, dir, clean(name), ".", hash)
}

// lines writes the lines of what is in a folder; name is its path in the root and
// shown that in the copy.
func (o CopyOptions) lines(w io.Writer, r *Root, name, shown string, hash Hash) error {
	entries, err := r.list()
	if err != nil {
		return err
	}
	names := make(map[string]bool, len(entries))
	order := make([]string, len(entries))
	for i, e := range entries {
		order[i], names[e.Name()] = e.Name(), e.IsDir()
	}
	slices.Sort(order)
	for _, base := range order {
		below, shown := path.Join(name, base), path.Join(shown, base)
		kept := o.keep(below, names[base])
		switch {
		case !names[base] && kept:
			err = o.line(w, r, base, shown, hash)
		case names[base]:
			err = o.subfolder(w, r, base, below, shown, kept, hash)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o CopyOptions) subfolder(w io.Writer, r *Root, base, below, shown string, kept bool, hash Hash) error {
	sub, err := r.below(base)
	if err != nil {
		return err
	}
	defer sub.Close()
	c := copier{CopyOptions: o}
	if !kept && !c.keepsAny(sub, below) {
		return nil
	}
	if err := o.line(w, sub, ".", shown, nil); err != nil {
		return err
	}
	return o.lines(w, sub, below, shown, hash)
}

// line writes the line of one file.
func (o CopyOptions) line(w io.Writer, r *Root, base, shown string, hash Hash) error {
	e := Entry{Path: shown}
	if err := unix.Fstatat(int(r.dir.Fd()), base, &e.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	o.Seen.add(&e.stat)
	content := ""
	var err error
	switch {
	case e.IsRegular() && hash != nil:
		if content, err = hash(r, base, e); e.stat.Nlink > 1 {
			content += o.firstName(&e.stat, shown)
		}
	case e.stat.Mode&unix.S_IFMT == unix.S_IFLNK:
		content, err = r.readLink(base)
	default:
		content, err = r.special(base, &e)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", shown, err)
	}
	owner := o.owner(&e.stat)
	_, err = fmt.Fprintf(w, "%q %o %d:%d %q\n", shown, e.stat.Mode&unix.S_IFMT|o.mode(&e.stat), owner.UID, owner.GID, content)
	return err
}

// firstName is the name under which a file was met before, "" if it was not.
func (o CopyOptions) firstName(st *unix.Stat_t, name string) string {
	inode := [2]uint64{st.Dev, st.Ino}
	first, met := o.names[inode]
	if !met {
		o.names[inode] = name
	}
	return first
}

// special stands for a folder's attributes, or a device's number and attributes.
func (r *Root) special(base string, e *Entry) (string, error) {
	var content strings.Builder
	if !e.IsDir() {
		fmt.Fprint(&content, e.stat.Rdev)
	}
	err := r.named(base).digest(&content)
	return content.String(), err
}
