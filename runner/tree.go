package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/spec"
)

// Root's containers run as another user of the host, who cannot look into
// root's own folders. So root's commands open the sources of bind mounts, as
// mounts that are not yet anywhere (open_tree(2), which takes the capability
// that only real root has), and send them along with the request.

// openTrees opens sources. They are closed by the caller.
func openTrees(sources []string) ([]*os.File, error) {
	var trees []*os.File
	for _, source := range sources {
		fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			closeAll(trees)
			return nil, &os.PathError{Op: "mount", Path: source, Err: err}
		}
		trees = append(trees, os.NewFile(uintptr(fd), source))
	}
	return trees, nil
}

// sourcesOf lists the sources of the bind mounts in o, and makes those missing
// that -v makes, for the container's root with the given ids.
func (s Store) sourcesOf(o CreateOptions, uid, gid int) ([]string, error) {
	mounts, err := spec.ParseMounts(o.Options, o.Dir)
	if err != nil {
		return nil, err
	}
	var sources []string
	for _, m := range mounts {
		if m.Kind == spec.KindVolume {
			if v, err := s.volumes().Get(m.Source); err == nil && v.Device() != "" {
				sources = append(sources, v.Device())
			}
		}
		if m.Kind != spec.KindBind {
			continue
		}
		if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) && m.CreateSource {
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return nil, fmt.Errorf("create the folder to mount: %w", err)
			}
			if err := os.Lchown(m.Source, uid, gid); err != nil {
				return nil, fmt.Errorf("give the folder to the container: %w", err)
			}
		}
		sources = append(sources, m.Source)
	}
	if in := o.Options.Injection; in != nil {
		for _, m := range in.Mounts {
			sources = append(sources, m.Source)
		}
	}
	return sources, nil
}

// readNamed reads the files that options name: those of root's own folders too
// are closed to the monitor, and a pipe of the command's (/dev/fd/63) it does not
// have. One that cannot be read is left to the monitor to complain about.
func readNamed(o *CreateOptions) {
	names := append(slices.Clone(o.Options.EnvFiles), o.Options.LabelFiles...)
	for _, option := range o.Options.SecurityOpt {
		if profile, ok := strings.CutPrefix(option, "seccomp="); ok && profile != "unconfined" {
			names = append(names, profile)
		}
	}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(o.Dir, name)
		}
		if text, err := os.ReadFile(name); err == nil {
			if o.Files == nil {
				o.Files = map[string][]byte{}
			}
			o.Files[name] = text
		}
	}
}

// sourcesIn lists the sources of bind mounts in a container's description,
// without rl's own files and the host's system.
func (s Store) sourcesIn(d *specs.Spec) []string {
	var sources []string
	for _, m := range d.Mounts {
		system := strings.HasPrefix(m.Source, "/dev/") || m.Source == "/sys" || m.Source == "/proc"
		if m.Type == "bind" && filepath.IsAbs(m.Source) && !system && !strings.HasPrefix(m.Source, filepath.Clean(s.Data)+"/") {
			sources = append(sources, m.Source)
		}
	}
	return sources
}

// takeFiles keeps the descriptors that came with a request: mounts, then sockets.
func (m *monitor) takeFiles(r Request, files []*os.File) error {
	closeAll(m.sockets.Files) // of an earlier try
	m.sockets = Sockets{}
	count := min(len(r.Trees), len(files))
	if err := m.keepSockets(r.Sockets, files[count:]); err != nil {
		closeAll(files[:count])
		return err
	}
	return m.keepTrees(r.Trees, files[:count])
}

// keepTrees notes the mounts that came with a request.
func (m *monitor) keepTrees(sources []string, trees []*os.File) error {
	for _, tree := range m.trees { // of an earlier try
		tree.Close()
	}
	m.trees = nil
	if len(sources) != len(trees) {
		closeAll(trees)
		return failf("%d mounts came instead of %d", len(trees), len(sources))
	}
	if len(sources) > 0 {
		m.trees = make(map[string]*os.File, len(trees))
	}
	for i, source := range sources {
		if m.trees[source] != nil { // mounted at several places
			trees[i].Close()
			continue
		}
		m.trees[source] = trees[i]
	}
	return nil
}

// anchorTrees mounts the trees where only this monitor sees them, on a small
// file system in place of the root: a mount that is nowhere can be used once,
// and each life of the container needs it.
func (m *monitor) anchorTrees() error {
	if len(m.trees) == 0 {
		return nil
	}
	root := m.Spec.Root.Path
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,size=1m"); err != nil {
		return &os.PathError{Op: "mount", Path: root, Err: err}
	}
	for source, tree := range m.trees {
		place := filepath.Join(root, strconv.Itoa(int(tree.Fd())))
		if err := makeLike(place, tree); err != nil {
			return err
		}
		if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return &os.PathError{Op: "mount", Path: source, Err: err}
		}
	}
	return nil
}

// makeLike makes what a mount can be put on.
func makeLike(path string, tree *os.File) error {
	info, err := tree.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.Mkdir(path, 0o700)
	}
	return os.WriteFile(path, nil, 0o600)
}

// copyTrees gives one life of the container a copy of a tree for each mount of
// it.
func (m *monitor) copyTrees(l *launch) error {
	if len(m.trees) == 0 {
		return nil
	}
	for _, mount := range m.Spec.Mounts {
		tree := m.trees[mount.Source]
		if tree == nil || mount.Type != "bind" {
			continue
		}
		flags := uint(unix.AT_EMPTY_PATH | unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
		if slices.Contains(mount.Options, "rbind") {
			flags |= unix.AT_RECURSIVE
		}
		fd, err := unix.OpenTree(int(tree.Fd()), "", flags)
		if err != nil {
			return &os.PathError{Op: "mount", Path: mount.Source, Err: err}
		}
		l.addTree(mount.Destination, os.NewFile(uintptr(fd), mount.Source))
	}
	return nil
}

// addTree has the child mount a tree at target, in place of the source.
func (l *launch) addTree(target string, tree *os.File) {
	l.Trees[target] = int(tree.Fd())
	l.child = append(l.child, tree)
}
