package build

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rl-project/rl/internal/fetch"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// named is one --build-context: an image, or a folder of files.
type named struct {
	where string
	once  sync.Once
	files *buildContext
	image string
	err   error
}

// contextKey is what a named context is known by: names of images stand for their
// complete form, and letters for small ones, as with BuildKit.
func contextKey(name string) string {
	name = strings.ToLower(name)
	if whole, err := storage.NormalizeReference(name); err == nil {
		return whole
	}
	return name
}

func (b *builder) openContexts() {
	b.named = map[string]*named{}
	for name, where := range b.Named {
		b.named[contextKey(name)] = &named{where: where}
	}
}

// replaced makes the stages whose names are those of contexts just that. Two names
// have a meaning of their own.
func (b *builder) replaced() {
	for _, s := range b.list {
		name := strings.ToLower(s.def.Name)
		if name != "" && name != scratchBase && name != "context" && b.named[contextKey(name)] != nil {
			s.def.BaseName, s.def.Commands = s.def.Name, nil
		}
	}
}

// Kinds of --build-context that are images.
const (
	imageScheme  = "docker-image://"
	layoutScheme = "oci-layout://"
)

// contextNamed returns the context that --from names, or nil if it is a stage or
// an image.
func (s *stage) contextNamed(ctx context.Context, name string) (*buildContext, error) {
	if name == "" {
		return s.b.context, nil
	}
	n := s.b.named[contextKey(name)]
	if n == nil {
		return nil, nil
	}
	n.once.Do(func() { n.err = s.b.openNamed(ctx, n) })
	if n.err != nil {
		return nil, fmt.Errorf("--build-context %s: %w", name, n.err)
	}
	return n.files, nil
}

// imageNamed returns the image that stands behind a name of --build-context.
func (s *stage) imageNamed(ctx context.Context, name string) (string, error) {
	if _, err := s.contextNamed(ctx, name); err != nil {
		return "", err
	}
	if n := s.b.named[contextKey(name)]; n != nil && n.image != "" {
		return n.image, nil
	}
	return name, nil
}

func (b *builder) openNamed(ctx context.Context, n *named) (err error) {
	if ref, ok := strings.CutPrefix(n.where, imageScheme); ok {
		n.image = ref
		return nil
	}
	if place, ok := strings.CutPrefix(n.where, layoutScheme); ok {
		n.image, err = b.openLayout(ctx, place)
		return err
	}
	dir, err := b.namedFolder(ctx, n.where)
	if err != nil {
		return err
	}
	ignore, err := (&Fetched{Dir: dir}).readInside(".dockerignore")
	if ignoreMissing(err) != nil {
		return err
	}
	if n.files, err = openContext(dir, ignore, b.context.digests); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = append(b.opened, n.files)
	return nil
}

// openLayout stores an image of a folder in the OCI layout, PATH[:TAG] or
// PATH@DIGEST, as `rl load` would, and returns its id.
func (b *builder) openLayout(ctx context.Context, place string) (string, error) {
	dir, digest, _ := strings.Cut(place, "@")
	tag := ""
	if i := strings.LastIndexByte(dir, ':'); digest == "" && i > strings.LastIndexByte(dir, '/') {
		dir, tag = dir[:i], dir[i+1:]
	}
	b.mu.Lock() // the store is not made for two callers
	defer b.mu.Unlock()
	loaded, err := b.images.LoadLayout(ctx, dir, store.PullOptions{Platform: b.Platform})
	if err != nil {
		return "", err
	}
	for _, l := range loaded {
		if tag == "" && len(loaded) == 1 {
			return l.ID, nil
		}
		for _, name := range l.Names {
			if tag != "" && strings.HasSuffix(name, ":"+tag) {
				return l.ID, nil
			}
		}
	}
	return "", fmt.Errorf("%w: %s holds %d images; name one of them by its tag, %s%s:TAG", ErrNotFound, dir, len(loaded), layoutScheme, dir)
}

// namedFolder is the folder of a named context; remote ones are fetched.
func (b *builder) namedFolder(ctx context.Context, where string) (string, error) {
	if !IsRemote(where) {
		info, err := os.Stat(where)
		if err == nil && !info.IsDir() {
			err = errors.New("it is not a folder")
		}
		return where, err
	}
	dir, err := os.MkdirTemp(b.scratch.Path, "named-")
	if err != nil {
		return "", err
	}
	if isGit(where) {
		found, err := gitCheckout{Dir: dir, Secrets: b.Secrets, SSH: b.sshAccess()}.get(ctx, where)
		return found.Dir, err
	}
	response, err := fetch.Get(ctx, where)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	f := &Fetched{Dir: dir}
	if err := f.take(response.Body); err != nil || f.File == nil {
		return dir, err
	}
	// Not an archive: a file of the URL's name.
	u, err := url.Parse(where)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, path.Base("/"+u.Path)), f.File, 0o600)
}

// fromContext begins a stage with the files of a named context.
func (s *stage) fromContext(ctx context.Context, name string) error {
	if err := s.fromNothing(); err != nil {
		return err
	}
	whole := transfer{word: "COPY", from: name, title: "FROM " + name}
	whole.SourcesAndDest = instructions.SourcesAndDest{SourcePaths: []string{"/"}, DestPath: "/"}
	return s.copyFiles(ctx, whole)
}
