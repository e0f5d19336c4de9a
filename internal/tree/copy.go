package tree

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"runtime"
	"sync"
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
	// Upper, if not nil, is the upper folder of the overlay that is copied to.
	// What goes into a new folder goes right there: overlayfs has nothing to add
	// to it, and would double the work. The overlay must not have been looked at
	// by anybody else, and is unmounted after the copy.
	Upper *Root
	// Seen, if not nil, is told how each file was when it had been read.
	Seen *Seen
	// names are the first names of files that have several, while a digest is made.
	names map[[2]uint64]string
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

// copier is one copy under way. Its work is shared among as many as there are
// processors.
type copier struct {
	CopyOptions
	upper   bool       // both folders are upper ones of overlays
	latest  *time.Time // nothing becomes younger, if not nil
	mu      sync.Mutex
	links   map[[2]uint64]link // first names of files with several
	helpers chan struct{}      // holds as many as there may be besides the first
	buffers sync.Pool
}

type link struct {
	dir  *os.File
	name string
}

// place is a folder that copies go to.
type place struct {
	*Root
	// at is its path in the overlay, without links; "" if that is not known.
	at string
	// fresh says that nothing is there but what the copier puts there.
	fresh bool
	// direct says that the folder is one of Upper, not of the overlay.
	direct bool
}

func newCopier(o CopyOptions) *copier {
	return &copier{
		CopyOptions: o, links: map[[2]uint64]link{}, helpers: make(chan struct{}, runtime.GOMAXPROCS(0)-1),
		buffers: sync.Pool{New: func() any { return new([copyBuffer]byte) }},
	}
}

// CopyFile copies the file, link or device src of from to the name dst in to,
// replacing what is there unless that is a folder. The folder above dst exists.
func CopyFile(to *Root, dst string, from *Root, src string, o CopyOptions) error {
	c := newCopier(o)
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
	return c.file(place{Root: above}, path.Base(dst), source, path.Base(src), src)
}

// CopyFolder copies what is in the folder src of from into dst of to. A dst that
// does not exist is made like src.
func CopyFolder(to *Root, dst string, from *Root, src string, o CopyOptions) error {
	c := newCopier(o)
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
	if err := c.into(to, dst, target, source, clean(src)); err != nil {
		return err
	}
	if missing != nil {
		return c.likeFolder(place{Root: target}, source)
	}
	return nil
}

// into copies into an open folder of to, which may have things in it.
func (c *copier) into(to *Root, dst string, target, source *Root, name string) error {
	there, err := target.list()
	if err != nil {
		return err
	}
	p := place{Root: target, fresh: len(there) == 0}
	if c.Upper == nil {
		return c.inside(p, source, name)
	}
	if p.at, err = to.Resolve(dst); err != nil {
		return err
	}
	p, closed := c.shortcut(p)
	defer closed()
	return c.inside(p, source, name)
}

// shortcut goes from a fresh folder of the overlay to the same in Upper.
func (c *copier) shortcut(p place) (place, func()) {
	if p.fresh && !p.direct && c.Upper != nil && p.at != "" {
		if upper, err := c.Upper.Folder(p.at); err == nil {
			return place{Root: upper, fresh: true, direct: true}, func() { upper.Close() }
		}
	}
	return p, func() {}
}

func (c *copier) close() {
	for _, l := range c.links {
		l.dir.Close()
	}
}

// inside copies what is in a folder; name is the source's path in its root.
func (c *copier) inside(to place, from *Root, name string) error {
	entries, err := from.list()
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	failed := make(chan error, len(entries)) // room for all of them
	for part := range portions(entries) {
		do := func() {
			if err := c.entries(to, from, part, name); err != nil {
				failed <- err
			}
		}
		select {
		case c.helpers <- struct{}{}:
			wait.Go(func() {
				do()
				<-c.helpers
			})
		default:
			do()
		}
		if len(failed) > 0 {
			break
		}
	}
	wait.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// portions divides a folder among helpers: each folder in it, and some files at
// a time, is one's work.
func portions(entries []os.DirEntry) iter.Seq[[]os.DirEntry] {
	const some = 256
	return func(yield func([]os.DirEntry) bool) {
		for len(entries) > 0 {
			n := 1
			for !entries[0].IsDir() && n < min(some, len(entries)) && !entries[n].IsDir() {
				n++
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// entries copies some of what is in a folder.
func (c *copier) entries(to place, from *Root, entries []os.DirEntry, name string) (err error) {
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
func (c *copier) folder(to place, from *Root, name, below string) error {
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
	target, err := to.sub(name, made)
	if err != nil {
		return fmt.Errorf("cannot copy a folder over a file: %w", err)
	}
	defer target.Close()
	target, closed := c.shortcut(target)
	defer closed()
	if err := c.inside(target, source, below); err != nil || !made {
		return err
	}
	return c.likeFolder(target, source)
}

// sub opens a folder in a place, or what a link there leads to.
func (p place) sub(name string, made bool) (place, error) {
	sub := place{fresh: made, direct: p.direct}
	var err error
	if sub.Root, err = p.below(name); err == nil {
		if p.at != "" {
			sub.at = path.Join(p.at, name)
		}
		return sub, nil
	}
	sub.Root, err = p.Folder(name)
	return sub, err
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
func (c *copier) likeFolder(to place, from *Root) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.dir.Fd()), &st); err != nil {
		return err
	}
	return c.like(to.Root, ".", from, ".", &st)
}
