package build

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
)

// buildContext is the folder that COPY and ADD copy from.
type buildContext struct {
	root    *tree.Root
	ignored *patternmatcher.PatternMatcher // nil for none
	// matching is held by who matches: the patterns are compiled when they are needed
	// first, and several stages may copy from the context at once.
	matching sync.Mutex
	digests  *digestCache

	once  sync.Once
	shown []string // see layers
	err   error
}

// layers returns the folders of an overlay that shows the context: its own, and
// above that one that hides what .dockerignore leaves out.
func (c *buildContext) layers(b *builder) ([]string, error) {
	c.once.Do(func() { c.shown, c.err = c.mask(b) })
	return c.shown, c.err
}

// attach returns a path of the context's folder. A folder that root has handed
// down is a mount that is nowhere yet, of which overlayfs wants nothing.
func (c *buildContext) attach(b *builder) (string, error) {
	dir, err := os.MkdirTemp(b.scratch.Path, "context-")
	if err != nil {
		return "", err
	}
	if unix.MoveMount(int(c.root.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH) == nil {
		b.mu.Lock()
		b.attached = append(b.attached, dir)
		b.mu.Unlock()
		// It lies in a folder that will be removed with all that is in it.
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		err := unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, attr)
		return dir, os.NewSyscallError("mount_setattr", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", c.root.Fd()), os.Remove(dir)
}

func (c *buildContext) mask(b *builder) ([]string, error) {
	place, err := c.attach(b)
	shown := []string{place}
	if c.ignored == nil || err != nil {
		return shown, err
	}
	dir, err := os.MkdirTemp(b.scratch.Path, "mask-")
	if err != nil {
		return nil, err
	}
	to, err := tree.Open(dir)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	some, err := c.root.Mask(to, c.keep)
	if err != nil || !some {
		return shown, err
	}
	return append([]string{dir}, shown...), os.Chmod(dir, 0o755)
}

// readIgnore reads a .dockerignore. The context has no folder yet.
func readIgnore(ignore []byte) (*buildContext, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if err != nil {
		return nil, fmt.Errorf(".dockerignore: %w", err)
	}
	c := new(buildContext)
	if len(patterns) > 0 {
		if c.ignored, err = patternmatcher.New(patterns); err != nil {
			return nil, fmt.Errorf(".dockerignore: %w", err)
		}
		if err := meaningful(c.ignored.Patterns()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// meaningful refuses patterns that the matcher finds wrong only when it comes to
// them, because they would leave out everything then.
func meaningful(patterns []*patternmatcher.Pattern) error {
	for _, p := range patterns {
		one, err := patternmatcher.New([]string{p.String()})
		if err == nil {
			_, err = one.MatchesOrParentMatches("any")
		}
		if err != nil {
			return fmt.Errorf(".dockerignore: pattern %q: %w", p, err)
		}
	}
	return nil
}

func openContext(dir string, ignore []byte, digests *digestCache) (*buildContext, error) {
	c, err := readIgnore(ignore)
	if err != nil {
		return nil, err
	}
	if c.root, err = tree.Open(dir); err != nil {
		return nil, fmt.Errorf("the context: %w", err)
	}
	c.digests = digests
	return c, nil
}

func (c *buildContext) close() { c.root.Close() }

// keep reports whether a file is not left out by .dockerignore.
func (c *buildContext) keep(name string, _ bool) bool {
	name = strings.TrimPrefix(name, "/")
	if c.ignored == nil || name == "." {
		return true
	}
	c.matching.Lock()
	defer c.matching.Unlock()
	out, err := c.ignored.MatchesOrParentMatches(name)
	return err == nil && !out
}

// ignoresAll reports whether a pattern of .dockerignore stands for everything. One that
// takes something in again is not looked for.
func (c *buildContext) ignoresAll() bool {
	return c.ignored != nil && slices.ContainsFunc(c.ignored.Patterns(), func(p *patternmatcher.Pattern) bool {
		return !p.Exclusion() && slices.Contains([]string{"*", "**", "**/*"}, p.String())
	})
}

// excludedBy is the pattern of .dockerignore that leaves a file out, "" if none
// does: of several, the last.
func (c *buildContext) excludedBy(name string) (pattern string) {
	if c.ignored == nil {
		return ""
	}
	for _, p := range c.ignored.Patterns() {
		one, err := patternmatcher.New([]string{p.String()})
		if err != nil {
			continue // the whole list would not have been read
		}
		if match, err := one.MatchesOrParentMatches(name); err != nil || !match {
			continue
		}
		if pattern = p.String(); p.Exclusion() {
			pattern = ""
		}
	}
	return pattern
}

// source is a tree of files to copy from.
type source struct {
	root *tree.Root
	keep func(name string, folder bool) bool
	hash tree.Hash
	// own is whether the files' owners mean something: not those of the context.
	own bool
	// key, if not empty, stands for everything in it.
	key string
	// excludedBy, if not nil, is the pattern that leaves a file out.
	excludedBy func(name string) string
}

// glob returns the paths that match a pattern, in order. A pattern without
// wildcards matches itself if it is there.
func (s source) glob(pattern string) ([]string, error) {
	pattern = strings.TrimPrefix(path.Clean("/"+pattern), "/")
	if pattern == "" {
		return []string{"."}, nil
	}
	if !hasWildcard(pattern) {
		if _, err := s.root.Stat(pattern); err != nil {
			return nil, err
		}
		if !s.keepsSome(pattern) {
			return nil, s.ignored(pattern)
		}
		return []string{pattern}, nil
	}
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			names, err := s.root.Match(dir, part)
			if err != nil {
				return nil, err
			}
			next = append(next, names...)
		}
		found = next
	}
	first, kept := "", found[:0]
	if len(found) > 0 {
		first = found[0]
	}
	for _, name := range found {
		if s.keepsSome(name) {
			kept = append(kept, name)
		}
	}
	if len(found) > 0 && len(kept) == 0 {
		return nil, s.ignored(first)
	}
	return kept, nil
}

// keepsSome reports whether a file, or anything in a folder, is not left out.
func (s source) keepsSome(name string) bool {
	return s.keep == nil || s.root.KeepsAny(name, s.keep)
}

// ignored is errIgnored with the pattern to blame; a folder of which all is left
// out may have several.
func (s source) ignored(name string) error {
	if s.excludedBy != nil {
		if pattern := s.excludedBy(strings.TrimPrefix(name, "/")); pattern != "" {
			return fmt.Errorf("%w, by the pattern %q", errIgnored, pattern)
		}
	}
	return errIgnored
}
