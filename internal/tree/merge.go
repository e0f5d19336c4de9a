package tree

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// WriteMerged writes upper folders of overlays that lie on each other, the topmost
// first, as the one layer that does the same as all of them. It is otherwise like
// WriteLayer.
func WriteMerged(w io.Writer, uppers []*Root, latest *time.Time) error {
	p := newPacker(w)
	p.upper, p.latest = true, latest
	if err := p.merge(uppers, ""); err != nil {
		return err
	}
	return p.tar.Close()
}

// merge writes what is in folders of the same name.
func (p *packer) merge(folders []*Root, name string) error {
	var names []string
	for _, r := range folders {
		entries, err := r.list()
		if err != nil {
			return err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for _, base := range slices.Compact(names) {
		if err := p.mergeEntry(folders, base, path.Join(name, base)); err != nil {
			return err
		}
	}
	return nil
}

// mergeEntry writes what the topmost layer with that name says; folders go on
// with those below, until something hides these.
func (p *packer) mergeEntry(folders []*Root, base, name string) error {
	m := merged{base: base}
	defer m.close()
	for _, r := range folders {
		found, err := m.add(r)
		if err != nil {
			return &os.PathError{Op: "read", Path: name, Err: err}
		}
		if found && len(m.stack) == 0 {
			return p.entry(r, base, name)
		}
		if m.hides {
			break
		}
	}
	h := p.header(name+"/", &m.first)
	h.Typeflag = tar.TypeDir
	addAttributes(h, m.attributes)
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if m.hides {
		if err := p.whiteout(path.Join(name, whiteoutOpaque), &m.first); err != nil {
			return err
		}
	}
	return p.merge(m.stack, name)
}

// merged is a folder that several layers have.
type merged struct {
	base       string
	stack      []*Root // the topmost first
	first      unix.Stat_t
	attributes map[string][]byte // of the first
	hides      bool              // what is below the last one
}

// add takes in what the layer r has under the name, and reports whether it has
// anything.
func (m *merged) add(r *Root) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(r.dir.Fd()), m.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		m.hides = true
		return true, err
	}
	found, err := r.named(m.base).read()
	if err != nil {
		return true, err
	}
	sub, err := r.below(m.base)
	if err != nil {
		return true, err
	}
	if m.stack = append(m.stack, sub); len(m.stack) == 1 {
		m.first, m.attributes = st, found
	}
	m.hides = string(found[opaque]) == "y"
	return true, nil
}

func (m *merged) close() {
	for _, r := range m.stack {
		r.Close()
	}
}
