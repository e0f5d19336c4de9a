package runner

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Change is one difference between a container's files and its image's.
type Change struct {
	Kind ChangeKind
	Path string // absolute
}

// ChangeKind is A, C or D, as `docker diff` prints it.
type ChangeKind byte

// The kinds of changes.
const (
	Added   ChangeKind = 'A'
	Changed ChangeKind = 'C'
	Deleted ChangeKind = 'D'
)

// Diff lists what a container has changed in its image's files, sorted by path:
// neither what is in volumes nor the places that rl made to mount something of
// its own. The caller is in the user namespace.
func (s Store) Diff(id string) ([]Change, error) {
	v, err := s.Load(id)
	if err != nil {
		return nil, err
	}
	d := differ{lower: v.RootFS.Layers, upper: s.file(id, "upper"), own: ownPlace()}
	if err := d.inside("/", false); err != nil {
		return nil, err
	}
	slices.SortFunc(d.found, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return d.found, nil
}

type differ struct {
	lower []string // the image's layers, the topmost first
	upper string
	own   func(path string) bool
	found []Change
}

// inside compares a folder; hidden says that none of the image's files show there.
func (d *differ) inside(dir string, hidden bool) error {
	entries, err := os.ReadDir(filepath.Join(d.upper, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if d.own(name) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		if whiteout(st) {
			d.found = append(d.found, Change{Deleted, name})
			continue
		}
		there := !hidden && inLayers(d.lower, name)
		kind := Added
		if there {
			kind = Changed
		}
		before := len(d.found)
		d.found = append(d.found, Change{kind, name})
		if !e.IsDir() {
			continue
		}
		if err := d.inside(name, !there || isOpaque(filepath.Join(d.upper, name))); err != nil {
			return err
		}
		if there && len(d.found) == before+1 && d.onlyOwn(name) {
			d.found = d.found[:before]
		}
	}
	return nil
}

// onlyOwn reports whether a folder was copied up for a place of rl's alone.
func (d *differ) onlyOwn(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(d.upper, dir))
	return err == nil && len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !d.own(path.Join(dir, e.Name())) })
}

// ownPlace tells the places where rl mounts something of its own in every
// container: they are made in the container's files if the image has none.
func ownPlace() func(string) bool {
	own := []string{"/proc", "/sys", "/dev"}
	for _, name := range etcFiles {
		own = append(own, "/etc/"+name)
	}
	return func(name string) bool {
		return slices.Contains(own, name) || strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/")
	}
}

// whiteout is how overlayfs says that a file is gone.
func whiteout(st *syscall.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// isOpaque reports whether a folder of a layer hides those below it.
func isOpaque(dir string) bool {
	var value [1]byte
	for _, name := range []string{"user.overlay.opaque", "user.fuseoverlayfs.opaque", "trusted.overlay.opaque"} {
		if n, err := unix.Lgetxattr(dir, name, value[:]); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}

// inLayers reports whether an image, whose layers are not mounted, has a file.
func inLayers(layers []string, name string) bool {
	for _, layer := range layers {
		found, last := inLayer(layer, name)
		if found || last {
			return found
		}
	}
	return false
}

// inLayer looks into one layer; last says that those below it do not count.
func inLayer(layer, name string) (found, last bool) {
	at := layer
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil {
			return false, last
		}
		if whiteout(info.Sys().(*syscall.Stat_t)) {
			return false, true
		}
		if i == len(parts)-1 {
			return true, true
		}
		if !info.IsDir() {
			return false, true
		}
		last = last || isOpaque(at)
	}
	return false, last
}
