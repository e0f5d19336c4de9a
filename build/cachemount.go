package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
)

// cacheMount is a folder that lives from build to build, for RUN
// --mount=type=cache. It lies in the build cache:
//
//	mounts/NAME/fs          its files
//	mounts/NAME/step.json   what is known of it; locked by the builds that use it
type cacheMount struct {
	dir  string
	lock *os.File
}

func (c cache) mounts(parts ...string) string {
	return filepath.Join(append([]string{c.dir, "mounts"}, parts...)...)
}

// cacheName names the folder of a cache mount. Mounts that begin with other
// files or another owner are others, of whatever id.
func (s *stage) cacheName(m *instructions.Mount) (string, error) {
	begin := ""
	if m.From != "" {
		other, err := s.b.source(m.From, s)
		if err != nil {
			return "", err
		}
		begin = keyOf(other.key, path.Join("/", m.Source))
	}
	return keyOf(cacheID(m, s), begin, m.UID, m.GID, m.Mode)[:20], nil
}

// cacheID is what the file calls a cache mount: its place if nothing else.
func cacheID(m *instructions.Mount, s *stage) string {
	if m.CacheID != "" {
		return m.CacheID
	}
	return s.absolute(m.Target)
}

// lockCaches takes the cache mounts of a RUN. Those that nobody else may use
// meanwhile are taken in the order of their names, so that no two RUNs wait for
// each other.
func (m *mounting) lockCaches(ctx context.Context) error {
	modes := map[string]instructions.ShareMode{}
	first := map[string]*instructions.Mount{}
	for _, one := range m.list {
		if one.Type != instructions.MountTypeCache {
			continue
		}
		if err := m.waitFor(ctx, one.From); err != nil {
			return err
		}
		name, err := m.cacheName(one)
		if err != nil {
			return err
		}
		if first[name] == nil {
			first[name], modes[name] = one, one.CacheSharing
		}
		if one.CacheSharing == instructions.MountSharingLocked {
			modes[name] = one.CacheSharing
		}
	}
	names := make([]string, 0, len(first))
	for name := range first {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c, err := m.lockCache(ctx, name, modes[name], first[name])
		if err != nil {
			return fmt.Errorf("--mount=type=cache,target=%s: %w", first[name].Target, err)
		}
		m.undo.add(func() { c.lock.Close() })
		m.locked[name] = c
	}
	return nil
}

// waitFor waits for a stage that a mount is from.
func (s *stage) waitFor(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	other, err := s.b.source(name, s)
	if err != nil {
		return err
	}
	return other.wait(ctx)
}

// lockCache takes one: for itself, together with others, or, where another has
// it, one more of its kind.
func (m *mounting) lockCache(ctx context.Context, name string, how instructions.ShareMode, one *instructions.Mount) (*cacheMount, error) {
	if how != instructions.MountSharingPrivate {
		flag := unix.LOCK_SH
		if how == instructions.MountSharingLocked {
			flag = unix.LOCK_EX
		}
		return m.takeCache(ctx, name, flag, one)
	}
	for n := 0; ; n++ {
		another := name
		if n > 0 {
			another = fmt.Sprintf("%s-%d", name, n)
		}
		c, err := m.takeCache(ctx, another, unix.LOCK_EX|unix.LOCK_NB, one)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return c, err
		}
	}
}

// takeCache locks a cache mount, which is made if it has to be.
func (m *mounting) takeCache(ctx context.Context, name string, flag int, one *instructions.Mount) (*cacheMount, error) {
	dir := m.b.cache.mounts(name)
	for {
		lock, err := lockFile(ctx, filepath.Join(dir, "step.json"), flag)
		switch {
		case err == nil:
			now := time.Now()
			_ = os.Chtimes(lock.Name(), now, now) // when it was used last
			return &cacheMount{dir, lock}, nil
		case !errors.Is(err, os.ErrNotExist):
			return nil, err
		}
		if err := m.makeCache(ctx, dir, one); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return nil, err
		}
	}
}

// lockFile locks a file that may be removed meanwhile. While somebody else has
// the lock it waits, which ctx ends.
func lockFile(ctx context.Context, name string, flag int) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		err := unix.Flock(int(f.Fd()), flag)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(f.Fd()), flag)
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		go func() { <-done; f.Close() }()
		return nil, context.Cause(ctx)
	}
	if err == nil {
		err = sameFile(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sameFile fails if the name that a file was opened by is another's by now.
func sameFile(f *os.File) error {
	ours, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(f.Name())
	if err == nil && !os.SameFile(ours, there) {
		err = os.ErrNotExist
	}
	return err
}

// makeCache makes the folder of a cache mount, which appears whole.
func (m *mounting) makeCache(ctx context.Context, dir string, one *instructions.Mount) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	made, err := os.MkdirTemp(m.b.scratch.Path, "cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	fs := filepath.Join(made, "fs")
	if err := os.Mkdir(fs, 0o755); err != nil {
		return err
	}
	if err := m.fillCache(ctx, fs, one); err != nil {
		return err
	}
	data, err := json.Marshal(facts{Command: "cached mount " + cacheID(one, m.stage), Created: time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "step.json"), data, 0o600); err != nil {
		return err
	}
	return os.Rename(made, dir)
}

// fillCache gives a new cache mount its first files, owner and mode.
func (m *mounting) fillCache(ctx context.Context, fs string, one *instructions.Mount) error {
	if one.From != "" {
		from, closed, err := m.openSource(ctx, one.From)
		if err != nil {
			return err
		}
		defer closed()
		to, err := tree.Open(fs)
		if err != nil {
			return err
		}
		defer to.Close()
		if err := tree.CopyFolder(to, "/", from.root, path.Join("/", one.Source), tree.CopyOptions{}); err != nil {
			return err
		}
	}
	uid, gid := valueOr(one.UID, 0), valueOr(one.GID, 0)
	return errors.Join(os.Chown(fs, int(uid), int(gid)), unix.Chmod(fs, uint32(valueOr(one.Mode, 0o755))))
}

func valueOr(p *uint64, otherwise uint64) uint64 {
	if p == nil {
		return otherwise
	}
	return *p
}

// cacheMount shows a cache mount in the RUN.
func (m *mounting) cacheMount(one *instructions.Mount) error {
	name, err := m.cacheName(one)
	if err != nil {
		return err
	}
	root, err := tree.Open(filepath.Join(m.locked[name].dir, "fs"))
	if err != nil {
		return err
	}
	defer root.Close()
	inside := "/"
	if one.From == "" {
		inside = path.Join("/", one.Source)
	}
	shown, err := root.OpenPath(inside)
	if err != nil {
		return fmt.Errorf("source %q: %w in the cache mount", one.Source, ErrNotFound)
	}
	defer shown.Close()
	return m.place(one.Target, fmt.Sprintf("/proc/self/fd/%d", shown.Fd()), readOnly(one)...)
}

// readOnly are the options of a mount.
func readOnly(one *instructions.Mount) []string {
	if one.ReadOnly {
		return []string{"ro"}
	}
	return nil
}
