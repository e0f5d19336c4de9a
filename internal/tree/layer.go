package tree

import (
	"io"
	"time"
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
