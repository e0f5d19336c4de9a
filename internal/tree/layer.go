package tree

import (
	"io"
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
// nothing in it is younger. skip, if not nil, leaves out files by their path.
func (r *Root) WriteLayer(w io.Writer, latest *time.Time, skip func(name string) bool) error {
	p := newPacker(w)
	p.upper, p.latest, p.skip = true, latest, skip
	if err := p.inside(r, ""); err != nil {
		return err
	}
	return p.tar.Close()
}

// CopyLayer copies the upper folder of an overlay into the empty folder to, as one
// of another: what unpacking the archive that WriteLayer writes would come to. to
// itself keeps its looks.
func CopyLayer(to, from *Root, latest *time.Time) error {
	c := newCopier(CopyOptions{})
	c.upper, c.latest = true, latest
	defer c.close()
	return c.inside(place{Root: to, fresh: true}, from, ".")
}

// ForgetOverlay takes the notes out of an upper folder that overlayfs keeps for itself and
// that mean nothing in a lower one. What it did not copy up has none.
func (r *Root) ForgetOverlay() error {
	impure, err := r.forget(".")
	if err != nil || !impure {
		return err
	}
	entries, err := r.list()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			_, err = r.forget(e.Name())
		} else if sub, err2 := r.below(e.Name()); err2 != nil {
			err = err2
		} else {
			err = sub.ForgetOverlay()
			sub.Close()
		}
		if err != nil {
			return pathError("remove attributes of", e.Name(), err)
		}
	}
	return nil
}

// forget removes overlayfs's notes from a file, and reports whether one of them was
// that there are more in the folder.
func (r *Root) forget(name string) (more bool, err error) {
	found, err := r.named(name).read()
	if err != nil {
		return false, err
	}
	for key := range found {
		if !strings.HasPrefix(key, overlayPrefix) || key == opaque {
			continue
		}
		more = more || key == overlayPrefix+"impure"
		if err := unix.Lremovexattr(r.procPath(name), key); err != nil {
			return false, err
		}
	}
	return more, nil
}
