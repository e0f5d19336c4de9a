package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/fetch"
	"github.com/rl-project/rl/internal/scratch"
	"github.com/rl-project/rl/internal/tree"
)

// Where says where a build's files are.
type Where struct {
	// Context is a folder, a URL of a tar or a Dockerfile, a Git repository, or -
	// for a tar or a Dockerfile on Stdin.
	Context string
	// File is the Dockerfile: a path of the host's, or in a Context that is no
	// folder a path in that; - for Stdin, "" for Dockerfile in the context.
	File string
	// Stdin is the caller's standard input.
	Stdin io.Reader
	// Secrets may have a GIT_AUTH_TOKEN or GIT_AUTH_HEADER for Git over HTTP.
	Secrets map[string][]byte
	// SSH are the agents of --ssh, and KnownHosts is the file with the keys of
	// servers: for Git over SSH.
	SSH        map[string]SSH
	KnownHosts string
	// KeepGit keeps the folder .git of a Git repository.
	KeepGit bool
}

// Fetched is a context on this machine.
type Fetched struct {
	// Dir is its folder.
	Dir string
	// File is the Dockerfile's text, FileName what messages call it, and Ignore
	// the text of what says which files to leave out.
	File     []byte
	FileName string
	Ignore   []byte

	scratch *scratch.Folder // nil for a folder of the person's
	made    *time.Time      // see Made; nil where nobody said
}

// Fetch gets a context to this machine and reads the Dockerfile. What was
// downloaded is gone with Close. The caller is in rl's user namespace.
func Fetch(ctx context.Context, places dirs.Dirs, w Where) (_ *Fetched, err error) {
	if w.Context == "-" && w.File == "-" {
		return nil, errors.New("standard input cannot be both the context and the Dockerfile: give the context as a folder")
	}
	f := &Fetched{Dir: w.Context}
	if info, err := os.Stat(w.Context); w.Context != "-" && !IsRemote(w.Context) {
		if err != nil {
			return nil, fmt.Errorf("the context: %w", err)
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("the context %s is not a folder", w.Context)
		}
		return f, f.readLocal(w)
	}
	if f.scratch, err = scratch.Open(filepath.Join(places.Data, "tmp"), scratchPrefix); err != nil {
		return nil, outOfSpace(err)
	}
	if err := f.fetch(ctx, w); err != nil {
		return nil, errors.Join(fmt.Errorf("the context %s: %w", w.Context, outOfSpace(err)), f.Close())
	}
	return f, nil
}

// Close removes what was downloaded.
func (f *Fetched) Close() error {
	if f.scratch == nil {
		return nil
	}
	return f.scratch.Close()
}

// Made is the time that a context says it is from: that of a repository's commit, what
// the server of a URL said, or of an archive the youngest file's. It is nil for a folder.
func (f *Fetched) Made() (*time.Time, error) {
	if f.scratch == nil || f.made != nil {
		return f.made, nil
	}
	var youngest *time.Time
	err := filepath.WalkDir(f.Dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil && (youngest == nil || info.ModTime().After(*youngest)) {
			t := info.ModTime().UTC()
			youngest = &t
		}
		return err
	})
	return youngest, err
}

// IsRemote reports whether a context has to be fetched. What is a folder here is
// one, whatever it is called.
func IsRemote(name string) bool {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return false
	}
	return isAddress(name)
}

// isAddress reports whether a name can be nothing but one of something elsewhere.
func isAddress(name string) bool { return isURL(name) || isGit(name) }

// fetch gets what is not a folder of the person's, and the Dockerfile in it.
func (f *Fetched) fetch(ctx context.Context, w Where) error {
	f.Dir = filepath.Join(f.scratch.Path, "context")
	if err := os.Mkdir(f.Dir, 0o755); err != nil {
		return err
	}
	switch {
	case isGit(w.Context):
		agents, err := openAgents(w.SSH)
		if err != nil {
			return err
		}
		checkout := gitCheckout{Dir: f.Dir, Keep: w.KeepGit, Secrets: w.Secrets, SSH: sshKeys{w.KnownHosts, agents["default"]}}
		found, err := checkout.get(ctx, w.Context)
		if err != nil {
			return err
		}
		f.Dir, f.made = found.Dir, &found.Made
	case w.Context == "-":
		if err := f.take(w.Stdin); err != nil {
			return err
		}
	default:
		response, err := fetch.Get(ctx, w.Context)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if t, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
			f.made = &t
		}
		if err := f.take(response.Body); err != nil {
			return err
		}
	}
	if f.File != nil {
		if w.File != "" {
			return fmt.Errorf("-f %s: what came is a Dockerfile itself, not an archive with one", w.File)
		}
		return nil
	}
	return f.readFetched(w)
}

// tarBlock is the size of a header in an archive, which says in its end that it
// is one (tar(5)).
const tarBlock = 512

// mostFile bounds a Dockerfile that is no file of the person's.
const mostFile = 64 << 20

// take unpacks an archive, compressed or not, or keeps the text of a Dockerfile.
func (f *Fetched) take(from io.Reader) error {
	plain, _, err := compression.AutoDecompress(from)
	if err != nil {
		return err
	}
	defer plain.Close()
	content := bufio.NewReaderSize(plain, tarBlock)
	head, err := content.Peek(tarBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) < tarBlock || !bytes.HasPrefix(head[257:], []byte("ustar")) && !bytes.Equal(head, make([]byte, tarBlock)) {
		f.FileName = "Dockerfile"
		if f.File, err = io.ReadAll(io.LimitReader(content, mostFile+1)); len(f.File) > mostFile {
			err = errors.New("it is neither an archive nor a Dockerfile of a sensible size")
		}
		return err
	}
	return unpackInto(f.Dir, content)
}

// unpackInto unpacks an archive whose files are to be root's.
func unpackInto(dir string, content io.Reader) error {
	root, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Unpack(content, tree.Target{Path: "/", Contents: true, Owner: &tree.Owner{}})
}

// readFetched reads the Dockerfile of a context that somebody else made.
func (f *Fetched) readFetched(w Where) (err error) {
	if w.File == "-" {
		f.FileName = "Dockerfile"
		if f.File, err = io.ReadAll(w.Stdin); err != nil {
			return err
		}
		f.Ignore, err = f.readInside(".dockerignore")
		return ignoreMissing(err)
	}
	name := w.File
	if name == "" {
		name = "Dockerfile"
	}
	f.FileName = path.Base(name)
	if f.File, err = f.readInside(name); err != nil {
		return fmt.Errorf("the Dockerfile: %w; name another with -f", err)
	}
	for _, ignore := range []string{name + ".dockerignore", ".dockerignore"} {
		if f.Ignore, err = f.readInside(ignore); !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readInside reads a file of the context, out of which no link leads.
func (f *Fetched) readInside(name string) ([]byte, error) {
	root, err := tree.Open(f.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// readLocal reads the Dockerfile of a folder of the person's.
func (f *Fetched) readLocal(w Where) (err error) {
	file := w.File
	switch file {
	case "-":
		f.FileName = "Dockerfile"
		f.File, err = io.ReadAll(w.Stdin)
	case "":
		file = filepath.Join(f.Dir, "Dockerfile")
		fallthrough
	default:
		f.FileName = filepath.Base(file)
		f.File, err = os.ReadFile(file)
	}
	if err != nil {
		return fmt.Errorf("the Dockerfile: %w; name another with -f", err)
	}
	names := []string{filepath.Join(f.Dir, ".dockerignore")}
	if file != "-" {
		names = append([]string{file + ".dockerignore"}, names...)
	}
	for _, name := range names {
		if f.Ignore, err = os.ReadFile(name); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return ignoreMissing(err)
}

// isGit reports whether a name is a Git repository's.
func isGit(name string) bool {
	_, ok, err := dfgitutil.ParseGitRef(name)
	return ok && err == nil
}
