package tree

import (
	"path"

	"golang.org/x/sys/unix"
)

// Mask fills the empty folder to so that, as the upper layer of an overlay on
// top of r, it hides that for which keep does not hold. It reports whether there
// was anything.
func (r *Root) Mask(to *Root, keep func(name string, folder bool) bool) (bool, error) {
	m := masker{CopyOptions{Keep: keep}}
	return m.inside(to, r, ".")
}

type masker struct{ CopyOptions }

func (m masker) inside(to, from *Root, name string) (some bool, err error) {
	entries, err := from.list()
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		below := path.Join(name, e.Name())
		hidden := false
		switch {
		case e.IsDir():
			hidden, err = m.folder(to, from, e.Name(), below)
		case !m.keep(below, false):
			hidden, err = true, whiteout(to, e.Name())
		}
		if err != nil {
			return some, pathError("hide", below, err)
		}
		some = some || hidden
	}
	return some, nil
}

// folder hides a whole folder, or what is to be hidden in it.
func (m masker) folder(to, from *Root, name, below string) (bool, error) {
	source, err := from.below(name)
	if err != nil {
		return false, err
	}
	defer source.Close()
	c := copier{CopyOptions: m.CopyOptions}
	if !m.keep(below, true) && !c.keepsAny(source, below) {
		return true, whiteout(to, name)
	}
	if err := to.mkdir(name, 0o700, Owner{}); err != nil {
		return false, err
	}
	target, err := to.below(name)
	if err != nil {
		return false, err
	}
	defer target.Close()
	some, err := m.inside(target, source, below)
	if err != nil {
		return false, err
	}
	if !some {
		return false, unix.Unlinkat(int(to.dir.Fd()), name, unix.AT_REMOVEDIR)
	}
	return true, c.likeFolder(place{Root: target}, source)
}

// whiteout is what overlayfs takes for a file that was deleted.
func whiteout(in *Root, name string) error {
	return unix.Mknodat(int(in.dir.Fd()), name, unix.S_IFCHR, 0)
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}
