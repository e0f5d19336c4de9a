package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner"
)

// mountKeys says of each mount of a RUN what decides the result: of a bind mount
// its files, of a cache mount only which it is, and of a secret nothing that is in it.
// For the files of a stage in stages, its key stands.
func (s *stage) mountKeys(ctx context.Context, mounts []*instructions.Mount, stages map[string]string) ([]string, error) {
	var keys []string
	for _, m := range mounts {
		sum := stages[m.From]
		if m.Type == instructions.MountTypeBind && sum == "" {
			from, closed, err := s.openSource(ctx, m.From)
			if err != nil {
				return nil, err
			}
			sum, err = mountDigest(from, m)
			closed()
			if err != nil {
				return nil, err
			}
		}
		keys = append(keys, keyOf(m.Type, m.From, m.Source, s.absolute(m.Target), m.ReadOnly, m.SizeLimit, m.CacheID,
			m.CacheSharing, m.Required, m.Env, m.Mode, m.UID, m.GID, sum))
	}
	return keys, nil
}

// changed reports whether files of contexts that mounts show are not any more what
// their keys say.
func (s *stage) changed(ctx context.Context, mounts []*instructions.Mount, keys []string) bool {
	for i, m := range mounts {
		if from, err := s.contextNamed(ctx, m.From); m.Type != instructions.MountTypeBind || from == nil && err == nil {
			continue
		}
		if now, err := s.mountKeys(ctx, mounts[i:i+1], nil); err != nil || now[0] != keys[i] {
			return true
		}
	}
	return false
}

// mountDigest stands for the files that a bind mount shows.
func mountDigest(from source, m *instructions.Mount) (string, error) {
	name := path.Join("/", m.Source)
	if _, err := from.root.Stat(name); err != nil {
		return "", transfer{from: m.From}.missing(m.Source, errors.Join(err, ErrNotFound))
	}
	if err := from.why(name); err != nil {
		return "", transfer{from: m.From}.missing(m.Source, err)
	}
	name, err := from.root.Resolve(name)
	if err != nil {
		return "", err
	}
	o, err := transfer{}.options(from)
	if err != nil {
		return "", err
	}
	return transfer{}.digest(from, []item{{name: path.Join(".", name)}}, o)
}

// mounting is the work on the mounts of one RUN.
type mounting struct {
	*stage
	list []*instructions.Mount // the upper paths first
	step *runner.Step
	w    *workspace
	undo *undo
	// private is a folder in memory, for what must not get to a disk; "" if there
	// is none yet.
	private string
	locked  map[string]*cacheMount
	sockets int
}

// addMounts adds what --mount asks for.
func (s *stage) addMounts(ctx context.Context, e execution, step *runner.Step, w *workspace, undo *undo) error {
	step.Trees = map[string]*os.File{}
	m := &mounting{stage: s, list: slices.Clone(e.mounts), step: step, w: w, undo: undo, locked: map[string]*cacheMount{}}
	slices.SortStableFunc(m.list, func(a, b *instructions.Mount) int {
		return strings.Count(s.absolute(a.Target), "/") - strings.Count(s.absolute(b.Target), "/")
	})
	if err := m.lockCaches(ctx); err != nil {
		return err
	}
	if err := m.devicePoints(e.devices); err != nil {
		return err
	}
	for i, one := range m.list {
		if err := m.add(ctx, one, m.list[i+1:]); err != nil {
			return fmt.Errorf("--mount=type=%s: %w", one.Type, err)
		}
	}
	if e.script == "" {
		return nil
	}
	return m.script(e)
}

// script shows a heredoc as the program that it is.
func (m *mounting) script(e execution) error {
	file := filepath.Join(m.w.dir, "script")
	if err := os.WriteFile(file, []byte(e.script), 0o755); err != nil {
		return err
	}
	// Whatever the umask took away.
	if err := os.Chmod(file, 0o755); err != nil {
		return err
	}
	return m.place(e.args[0], file, "ro")
}

func (m *mounting) add(ctx context.Context, one *instructions.Mount, later []*instructions.Mount) error {
	needsTarget := one.Type != instructions.MountTypeSecret && one.Type != instructions.MountTypeSSH
	if needsTarget && m.absolute(one.Target) == "/" {
		return fmt.Errorf("target %q: nothing can be mounted over the whole image", one.Target)
	}
	switch one.Type {
	case instructions.MountTypeTmpfs:
		return m.tmpfs(one)
	case instructions.MountTypeCache:
		return m.cacheMount(one)
	case instructions.MountTypeSecret:
		return m.secret(one)
	case instructions.MountTypeSSH:
		return m.agent(one)
	}
	return m.bind(ctx, one, later)
}

func (m *mounting) tmpfs(one *instructions.Mount) error {
	target, err := m.point(one.Target, true)
	if err != nil {
		return err
	}
	options := []string{"nosuid", "nodev", "mode=1777"}
	if one.SizeLimit > 0 {
		options = append(options, fmt.Sprintf("size=%d", one.SizeLimit))
	}
	m.step.Mounts = append(m.step.Mounts, specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs", Options: options})
	return nil
}

// point makes the place of a mount, which does not get into the result, and
// returns it.
func (m *mounting) point(target string, folder bool) (string, error) {
	target = m.absolute(target)
	real, err := tree.ResolveLayered(m.w.lower, target)
	if err != nil {
		return "", err
	}
	return target, m.w.stub("/"+real, folder)
}

// place mounts a file or a folder of this process's on target.
func (m *mounting) place(target, from string, options ...string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if target, err = m.point(target, info.IsDir()); err != nil {
		return err
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	opened := os.NewFile(uintptr(fd), target)
	m.undo.add(func() { opened.Close() })
	name := fmt.Sprintf("mount %d", len(m.step.Trees))
	m.step.Trees[name] = opened
	m.step.Mounts = append(m.step.Mounts, specs.Mount{Destination: target, Type: "bind", Source: name, Options: options})
	return nil
}

// bind shows files of the context, a stage or an image: through an overlay, so
// that what is written there is forgotten.
func (m *mounting) bind(ctx context.Context, one *instructions.Mount, later []*instructions.Mount) error {
	layers, err := m.layersOf(ctx, one.From)
	if err != nil {
		return err
	}
	w, err := m.b.workspace(layers)
	if err != nil {
		return err
	}
	m.undo.add(func() { w.close() })
	if err := m.pointsBelow(w, one, later); err != nil {
		return err
	}
	root, err := w.open()
	if err != nil {
		return err
	}
	shown, err := root.OpenPath(path.Join("/", one.Source))
	if err != nil {
		return transfer{from: one.From}.missing(one.Source, err)
	}
	defer shown.Close()
	return m.place(one.Target, fmt.Sprintf("/proc/self/fd/%d", shown.Fd()), readOnly(one)...)
}

// pointsBelow makes the places of other mounts in what a bind mount shows, where
// nothing may be written later.
func (m *mounting) pointsBelow(w *workspace, one *instructions.Mount, later []*instructions.Mount) error {
	for _, l := range later {
		below, inside := strings.CutPrefix(m.absolute(l.Target), m.absolute(one.Target)+"/")
		if l.Target == "" || !inside {
			continue
		}
		folder := l.Type == instructions.MountTypeCache || l.Type == instructions.MountTypeTmpfs || l.Type == instructions.MountTypeBind
		if err := w.stub(path.Join("/", one.Source, below), folder); err != nil {
			return err
		}
	}
	return nil
}

// layersOf returns the folders, the topmost first, that hold the files of the
// context, a stage, or an image.
func (s *stage) layersOf(ctx context.Context, name string) ([]string, error) {
	from, err := s.contextNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	if from != nil {
		return from.layers(s.b)
	}
	other, err := s.b.source(name, s)
	if err != nil {
		return nil, err
	}
	if err := other.wait(ctx); err != nil {
		return nil, err
	}
	if other, err = other.present(ctx); err != nil {
		return nil, err
	}
	return other.layers(), nil
}

// memory returns a folder that is in memory only, for this RUN.
func (m *mounting) memory() (string, error) {
	if m.private != "" {
		return m.private, nil
	}
	dir := filepath.Join(m.w.dir, "memory")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return "", &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	m.undo.add(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	m.private = dir
	return dir, nil
}
