package build

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/rl-project/rl/internal/tree"
)

// buildContext is the folder that COPY and ADD copy from.
type buildContext struct {
	root    *tree.Root
	ignored *patternmatcher.PatternMatcher // nil for none
	digests *digestCache
}

func openContext(o Options, digests string) (*buildContext, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(o.Ignore))
	if err != nil {
		return nil, fmt.Errorf(".dockerignore: %w", err)
	}
	c := new(buildContext)
	if len(patterns) > 0 {
		if c.ignored, err = patternmatcher.New(patterns); err != nil {
			return nil, fmt.Errorf(".dockerignore: %w", err)
		}
	}
	if c.root, err = tree.Open(o.Context); err != nil {
		return nil, fmt.Errorf("the context: %w", err)
	}
	c.digests = openDigests(digests)
	return c, nil
}

func (c *buildContext) close() {
	c.digests.save()
	c.root.Close()
}

// keep reports whether a file is not left out by .dockerignore.
func (c *buildContext) keep(name string, _ bool) bool {
	if c.ignored == nil || name == "." {
		return true
	}
	out, err := c.ignored.MatchesOrParentMatches(strings.TrimPrefix(name, "/"))
	return err == nil && !out
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
}

// glob returns the paths that match a pattern, in order. A pattern without
// wildcards matches itself if it is there.
func (s source) glob(pattern string) ([]string, error) {
	pattern = strings.TrimPrefix(path.Clean("/"+pattern), "/")
	if pattern == "" {
		return []string{"."}, nil
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		if _, err := s.root.Stat(pattern); err != nil {
			return nil, err
		}
		if !s.keepsSome(pattern) {
			return nil, errIgnored
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
	kept := found[:0]
	for _, name := range found {
		if s.keepsSome(name) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// keepsSome reports whether a file, or anything in a folder, is not left out.
func (s source) keepsSome(name string) bool {
	return s.keep == nil || s.root.KeepsAny(name, s.keep)
}
