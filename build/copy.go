package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"
	mode "github.com/tonistiigi/dchapes-mode"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner/spec"
)

// errIgnored is wrapped when .dockerignore leaves out what was to be copied.
var errIgnored = fmt.Errorf("%w: .dockerignore leaves it out", ErrNotFound)

// transfer is a COPY or an ADD.
type transfer struct {
	instructions.SourcesAndDest
	word         string // COPY or ADD
	title        string
	from         string
	chown, chmod string
	exclude      []string
	parents      bool
	link         bool
	checksum     string
	keepGit      bool
	unpack       *bool // nil for what ADD does by itself
}

func copyOf(c *instructions.CopyCommand) transfer {
	return transfer{SourcesAndDest: c.SourcesAndDest, word: "COPY", title: c.String(), from: c.From, chown: c.Chown,
		chmod: c.Chmod, exclude: c.ExcludePatterns, parents: c.Parents, link: c.Link}
}

// alone reports whether --link makes the step one that needs nothing of the files
// below it, so that its result is good for any. Only names of owners are looked
// up there.
func (t transfer) alone() bool {
	return t.link && strings.Trim(t.chown, "0123456789:") == ""
}

// command is the line of the history.
func (t transfer) command() string {
	var b strings.Builder
	b.WriteString(t.word)
	if t.parents {
		b.WriteString(" --parents")
	}
	if t.chown != "" {
		b.WriteString(" --chown=" + t.chown)
	}
	if t.chmod != "" {
		b.WriteString(" --chmod=" + t.chmod)
	}
	for _, s := range t.SourcePaths {
		b.WriteString(" " + s)
	}
	for _, c := range t.SourceContents {
		b.WriteString(" <<" + c.Path)
	}
	return b.String() + " " + t.DestPath + " # buildkit"
}

// item is one thing to copy.
type item struct {
	name   string // in the source
	folder bool
	base   string // its name in a folder that it is copied into
	// only, if not nil, is what of a folder is copied, by paths in the source.
	only *patternmatcher.PatternMatcher
	// except is what of it is left out, by paths in the item.
	except *patternmatcher.PatternMatcher
}

// copyFiles carries out COPY and ADD.
func (s *stage) copyFiles(ctx context.Context, t transfer) error {
	short, err := s.shortKey(ctx, t)
	if err != nil {
		return err
	}
	command := t.command()
	if found, err := s.recallShort(ctx, s.below(t), oneLine(t.title), command, short); found || err != nil {
		return err
	}
	from, closed, err := s.openSource(ctx, t.from)
	if err != nil {
		return err
	}
	defer closed()
	remote, dir, err := s.fetched(ctx, &t)
	if err != nil {
		return err
	}
	items, err := t.items(from)
	if err != nil {
		return err
	}
	o, err := t.options(from)
	if err != nil {
		return err
	}
	sum, err := t.digest(from, items, o)
	if err != nil {
		return err
	}
	fetched, remoteSum, err := openFetched(dir, remote)
	if err != nil {
		return err
	}
	defer fetched.close()
	parent, layers := s.key, s.layers()
	if t.alone() {
		parent, layers = "", nil
	}
	key := keyOf(t.word, parent, s.destination(t.DestPath), t.chown, t.chmod, t.parents, t.unpack, sum, remoteSum, s.b.Epoch)
	err = s.changeOn(ctx, layers, oneLine(t.title), command, key, func(log *stepLog, w *workspace) error {
		known := o.Seen
		if known != nil {
			o.Seen = new(tree.Seen)
		}
		err := s.place(w, t, from, items, fetched, o)
		if w.torn = err == nil && known != nil && !known.Same(o.Seen); w.torn {
			log.print("WARN: files changed while they were copied: the next build copies them again")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.history(command, true)
	return s.alias(short)
}

// below are the layers that a copy is put on.
func (s *stage) below(t transfer) []string {
	if t.alone() {
		return nil
	}
	return s.layers()
}

// shortKey is a key of a copy from a stage that can be told without the stage's files:
// from what was done there. "" for other copies.
func (s *stage) shortKey(ctx context.Context, t transfer) (string, error) {
	other, err := s.copiesFrom(ctx, t.from)
	if other == nil || err != nil {
		return "", err
	}
	parent := s.key
	if t.alone() {
		parent = ""
	}
	return keyOf("short", t.word, parent, s.destination(t.DestPath), t.chown, t.chmod, t.parents, t.unpack, t.exclude,
		t.SourcePaths, t.SourceContents, other.key, s.b.Epoch), nil
}

// copiesFrom is the stage, with steps, that --from names, when it is done; nil if it
// names something else.
func (s *stage) copiesFrom(ctx context.Context, name string) (*stage, error) {
	if from, err := s.contextNamed(ctx, name); from != nil || err != nil {
		return nil, err
	}
	other, err := s.b.source(name, s)
	if err == nil {
		err = other.wait(ctx)
	}
	if err != nil || len(other.results) == 0 {
		return nil, err
	}
	return other, nil
}

// alias makes the last step's result known by a short key, too.
func (s *stage) alias(short string) error {
	if last := s.results[len(s.results)-1]; short != "" && !last.absent() {
		return s.b.cache.alias(short, last)
	}
	return nil
}

// destination is where a copy goes; a slash at its end says that it is a folder.
func (s *stage) destination(name string) string {
	dest := s.absolute(name)
	if dest != "/" && (strings.HasSuffix(name, "/") || name == "." || strings.HasSuffix(name, "/.")) {
		dest += "/"
	}
	return dest
}

// openSource opens what is copied from: a context, a stage, or an image.
func (s *stage) openSource(ctx context.Context, name string) (source, func(), error) {
	c, err := s.contextNamed(ctx, name)
	if err != nil {
		return source{}, nil, err
	}
	if c != nil {
		return source{root: c.root, keep: c.keep, hash: c.digests.hash, excludedBy: c.excludedBy}, func() {}, nil
	}
	other, err := s.b.source(name, s)
	if err != nil {
		return source{}, nil, err
	}
	if err := other.wait(ctx); err != nil {
		return source{}, nil, err
	}
	if other, err = other.present(ctx); err != nil {
		return source{}, nil, err
	}
	w, err := s.b.workspace(other.layers())
	if err != nil {
		return source{}, nil, err
	}
	root, err := w.open()
	if err != nil {
		w.close()
		return source{}, nil, err
	}
	opened := source{root: root, hash: tree.Content, own: true}
	if len(other.results) == 0 {
		opened.key = other.key // the digest of an image
	}
	return opened, func() { w.close() }, nil
}

// items finds what the source paths stand for. Links that a path names are
// followed, those inside of folders are not; wildcards may match nothing.
func (t transfer) items(from source) ([]item, error) {
	var items []item
	var excluded *patternmatcher.PatternMatcher
	if len(t.exclude) > 0 {
		var err error
		if excluded, err = patternmatcher.New(t.exclude); err != nil {
			return nil, fmt.Errorf("--exclude: %w", err)
		}
	}
	for _, pattern := range t.SourcePaths {
		if t.parents {
			i, err := t.withParents(from, pattern)
			if err != nil {
				return nil, err
			}
			i.except = excluded
			items = append(items, i)
			continue
		}
		found, err := from.glob(pattern)
		if err != nil {
			return nil, t.missing(pattern, err)
		}
		for _, name := range found {
			i, err := from.item(name)
			if err != nil {
				return nil, t.missing(name, err)
			}
			if i.except = excluded; i.folder || i.keeps(i.base) {
				items = append(items, i)
			}
		}
	}
	return items, nil
}

// item describes what a path leads to.
func (s source) item(name string) (item, error) {
	real, err := s.root.Resolve(name)
	if err != nil {
		return item{}, err
	}
	e, err := s.root.Stat(path.Join("/", real))
	if err != nil {
		return item{}, err
	}
	if !s.keepsSome(real) {
		return item{}, s.ignored(real)
	}
	return item{name: path.Join(".", real), folder: e.IsDir(), base: path.Base(path.Clean("/" + name))}, nil
}

// withParents is the folder above what --parents copies, up to "/./" if that is
// in the path, and a pattern for what is to be copied of it.
func (t transfer) withParents(from source, name string) (item, error) {
	above, below, pivot := strings.Cut(name, "/./")
	if !pivot {
		above, below = "/", name
	}
	below = strings.TrimPrefix(path.Clean("/"+below), "/")
	if !hasWildcard(name) {
		if whole := path.Join(above, below); !from.has(whole) {
			return item{}, t.missing(name, from.why(whole))
		}
	}
	i, err := from.item(above)
	if err != nil {
		return item{}, t.missing(name, err)
	}
	if below == "" {
		return i, nil
	}
	pattern := path.Join(i.name, below)
	if i.only, err = patternmatcher.New([]string{pattern}); err != nil {
		return item{}, fmt.Errorf("%q: %w", name, err)
	}
	return i, nil
}

func (s source) has(name string) bool { return s.why(name) == nil }

// why says why a path cannot be copied.
func (s source) why(name string) error {
	if _, err := s.root.Lstat(name); err != nil {
		return err
	}
	if !s.keepsSome(strings.TrimPrefix(name, "/")) {
		return s.ignored(name)
	}
	return nil
}

func hasWildcard(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// kept narrows what is copied of an item to its patterns.
func (i item) kept(o tree.CopyOptions) tree.CopyOptions {
	if i.only == nil && i.except == nil {
		return o
	}
	keep := o.Keep
	o.Keep = func(name string, folder bool) bool {
		name = strings.TrimPrefix(name, "/")
		if keep != nil && !keep(name, folder) {
			return false
		}
		if i.only != nil {
			if in, err := i.only.MatchesOrParentMatches(name); err != nil || !in {
				return false
			}
		}
		return i.keeps(strings.TrimPrefix(name, i.name+"/"))
	}
	return o
}

// keeps reports whether --exclude leaves a file of the item in.
func (i item) keeps(name string) bool {
	if i.except == nil {
		return true
	}
	out, err := i.except.MatchesOrParentMatches(name)
	return err == nil && !out
}

// missing says where something was looked for.
func (t transfer) missing(name string, err error) error {
	where := "the context"
	if t.from != "" {
		where = t.from
	}
	switch {
	case errors.Is(err, errIgnored):
		return fmt.Errorf("%q: %w", name, err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, ErrNotFound):
		return fmt.Errorf("%q: %w in %s", name, ErrNotFound, where)
	}
	return fmt.Errorf("%q in %s: %w", name, where, err)
}

// chmod reads --chmod: an octal number, or changes as chmod(1) has them.
func chmod(text string) (func(uint32, bool) uint32, error) {
	if octal, err := strconv.ParseUint(text, 8, 12); err == nil {
		return func(uint32, bool) uint32 { return uint32(octal) }, nil
	}
	set, err := mode.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--chmod=%s is neither an octal number up to 7777 nor like u=rwX,go=rX: %w", text, err)
	}
	return func(old uint32, folder bool) uint32 {
		had := os.FileMode(old & 0o777)
		for _, bit := range specialBits {
			if old&bit.unix != 0 {
				had |= bit.mode
			}
		}
		if folder {
			had |= os.ModeDir
		}
		has := set.Apply(had)
		now := uint32(has.Perm())
		for _, bit := range specialBits {
			if has&bit.mode != 0 {
				now |= bit.unix
			}
		}
		return now
	}, nil
}

var specialBits = [...]struct {
	unix uint32
	mode os.FileMode
}{{0o4000, os.ModeSetuid}, {0o2000, os.ModeSetgid}, {0o1000, os.ModeSticky}}

// options says what copies are to look like, except for names of owners, which
// only the files of the image can resolve.
func (t transfer) options(from source) (tree.CopyOptions, error) {
	o := tree.CopyOptions{Keep: from.keep}
	if !from.own {
		o.Owner, o.Seen = &tree.Owner{}, new(tree.Seen)
	}
	if t.chmod != "" {
		var err error
		if o.Mode, err = chmod(t.chmod); err != nil {
			return o, err
		}
	}
	return o, nil
}

// digest stands for everything that is copied. An image is known by its key; its files
// need not be read.
func (t transfer) digest(from source, items []item, o tree.CopyOptions) (string, error) {
	hash := sha256.New()
	for _, i := range items {
		fmt.Fprintf(hash, "%q %t %q\n", i.name, i.folder, i.base)
		if from.key != "" {
			continue
		}
		digest := from.root.Digest
		if i.folder {
			digest = from.root.DigestInside
		}
		if err := digest(hash, i.name, i.kept(o), from.hash); err != nil {
			return "", err
		}
	}
	if from.key != "" {
		fmt.Fprintf(hash, "%q %q %q\n", from.key, t.exclude, t.SourcePaths)
	}
	for _, c := range t.SourceContents {
		fmt.Fprintf(hash, "%q %q\n", c.Path, c.Data)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// place copies into the step's files.
func (s *stage) place(w *workspace, t transfer, from source, items []item, remote downloads, o tree.CopyOptions) error {
	root, err := w.open()
	if err != nil {
		return err
	}
	if o.Upper, err = tree.Open(w.upper()); err != nil {
		return err
	}
	defer o.Upper.Close()
	// The result of --link may lie on an image that has it already: overlayfs does not
	// take a folder twice.
	w.copied, o.Time = !t.alone(), s.b.Epoch
	if t.chown != "" {
		owner, err := w.owner(t.chown)
		if err != nil {
			return err
		}
		o.Owner = &owner
	}
	dest := s.destination(t.DestPath)
	into, err := t.isFolder(root, dest, slices.Concat(items, remote.items))
	if err != nil {
		return err
	}
	for _, i := range items {
		if err := t.placeItem(root, dest, into, from, i, o); err != nil {
			return err
		}
	}
	if err := t.placeFetched(root, dest, into, remote, o); err != nil {
		return err
	}
	return t.placeContents(root, dest, into, o)
}

// isFolder reports whether files go into dest rather than become it: because it is
// written so, it is one already, or what is in a folder is copied there as well.
func (t transfer) isFolder(root *tree.Root, dest string, items []item) (bool, error) {
	if strings.HasSuffix(dest, "/") || slices.ContainsFunc(items, func(i item) bool { return i.folder }) {
		return true, nil
	}
	if e, err := root.Stat(dest); err == nil && e.IsDir() {
		return true, nil
	}
	if len(items)+len(t.SourceContents) > 1 {
		return true, fmt.Errorf("several sources need a folder to go into: end %q with a slash", t.DestPath)
	}
	return false, nil
}

func (t transfer) placeItem(root *tree.Root, dest string, into bool, from source, i item, o tree.CopyOptions) error {
	target := dest
	if i.folder {
		if err := makeFolder(root, target, o); err != nil {
			return err
		}
		return tree.CopyFolder(root, target, from.root, i.name, i.kept(o))
	}
	if t.unpacks(false) {
		if done, err := t.placeArchive(root, target, from, i.name, o); done || err != nil {
			return err
		}
	}
	if into {
		target = path.Join(target, i.base)
	}
	return copyTo(root, target, o, func() error { return tree.CopyFile(root, target, from.root, i.name, o) })
}

// makeFolder makes the folder that the contents of another go into. It does not
// look like that one, as with BuildKit.
func makeFolder(root *tree.Root, name string, o tree.CopyOptions) error {
	owner := tree.Owner{}
	if o.Owner != nil {
		owner = *o.Owner
	}
	made, err := root.MkdirAll(name, 0o755, owner)
	if err != nil {
		return err
	}
	return made.Close()
}

// copyTo makes the folders above a target, and then the target.
func copyTo(root *tree.Root, target string, o tree.CopyOptions, do func() error) error {
	owner := tree.Owner{}
	if o.Owner != nil {
		owner = *o.Owner
	}
	above, err := root.MkdirAll(path.Dir(target), 0o755, owner)
	if err != nil {
		return err
	}
	return errors.Join(do(), above.Close())
}

// placeContents writes the heredocs.
func (t transfer) placeContents(root *tree.Root, dest string, into bool, o tree.CopyOptions) error {
	for _, c := range t.SourceContents {
		target, bits, owner := dest, uint32(0o644), tree.Owner{}
		if into {
			target = path.Join(dest, path.Base(c.Path))
		}
		if o.Mode != nil {
			bits = o.Mode(bits, false)
		}
		if o.Owner != nil {
			owner = *o.Owner
		}
		err := copyTo(root, target, o, func() error {
			above, err := root.Folder(path.Dir(target))
			if err != nil {
				return err
			}
			defer above.Close()
			return above.WriteFile(path.Base(target), []byte(c.Data), bits, owner, o.Time)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// owner reads --chown, with the names that the image knows. A user without a
// group has the group of the same number.
func (w *workspace) owner(text string) (tree.Owner, error) {
	if text == "" {
		return tree.Owner{}, nil
	}
	id, err := spec.IdentityOf(spec.Host{Open: w.read}, text)
	if err != nil {
		return tree.Owner{}, err
	}
	owner := tree.Owner{UID: int(id.UID), GID: int(id.GID)}
	if !strings.Contains(text, ":") && isNumber(text) {
		owner.GID = owner.UID
	}
	return owner, nil
}
