package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/rl-project/rl/internal/fetch"
	"github.com/rl-project/rl/internal/tree"
)

func addOf(c *instructions.AddCommand) transfer {
	return transfer{SourcesAndDest: c.SourcesAndDest, word: "ADD", title: c.String(), chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, link: c.Link, checksum: c.Checksum, unpack: c.Unpack,
		keepGit: c.KeepGitDir != nil && *c.KeepGitDir}
}

// isURL reports whether ADD has to fetch a source.
func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// fetched makes the sources of ADD that are URLs files of a folder of their own.
func (s *stage) fetched(ctx context.Context, t *transfer) (remote []item, dir string, err error) {
	if t.word != "ADD" {
		return nil, "", nil
	}
	local := t.SourcePaths[:0:0]
	for _, name := range t.SourcePaths {
		switch {
		case !isGit(name) && !isURL(name):
			local = append(local, name)
			continue
		}
		if dir == "" {
			if dir, err = os.MkdirTemp(s.b.scratch.Path, "fetch-"); err != nil {
				return nil, "", err
			}
		}
		// A number, as names of different servers may be the same.
		i, err := s.fetchOne(ctx, *t, name, filepath.Join(dir, strconv.Itoa(len(remote))))
		if err != nil {
			return nil, dir, fmt.Errorf("ADD %s: %w", name, err)
		}
		remote = append(remote, i)
	}
	if t.checksum != "" && len(remote) == 0 {
		return nil, dir, errors.New("--checksum is for sources that are URLs")
	}
	t.SourcePaths = local
	return remote, dir, nil
}

// fetchOne gets one source to a place: a repository as a folder.
func (s *stage) fetchOne(ctx context.Context, t transfer, name, into string) (item, error) {
	if !isGit(name) {
		base, err := s.fetch(ctx, name, into, t.checksum)
		return item{name: filepath.Base(into), base: base}, err
	}
	if err := os.Mkdir(into, 0o755); err != nil {
		return item{}, err
	}
	found, err := gitCheckout{Dir: into, Keep: t.keepGit, Checksum: t.checksum, Secrets: s.b.Secrets, SSH: s.b.sshAccess()}.get(ctx, name)
	if err != nil {
		return item{}, err
	}
	below, err := filepath.Rel(filepath.Dir(into), found.Dir)
	return item{name: below, folder: true}, err
}

// fetch downloads a URL into a file and returns the name that it has in a folder, ""
// if nobody says.
func (s *stage) fetch(ctx context.Context, from, file, checksum string) (string, error) {
	u, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	response, err := fetch.Get(ctx, from)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if err := download(file, response.Body, checksum); err != nil {
		return "", err
	}
	changed := time.Unix(0, 0)
	if t, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		changed = t
	}
	return fileName(u, response.Header.Get("Content-Disposition")), os.Chtimes(file, changed, changed)
}

// fileName is what a URL ends with, or else the name that the server gives.
func fileName(u *url.URL, disposition string) string {
	_, given, err := mime.ParseMediaType(disposition)
	if err != nil {
		given = nil
	}
	for _, name := range []string{u.Path, given["filename"]} {
		if base := path.Base(path.Join("/", name)); base != "/" {
			return base
		}
	}
	return ""
}

// download writes a file, and compares its digest if there is one to expect.
func download(file string, content io.Reader, checksum string) (err error) {
	var expected digest.Digest
	if checksum != "" {
		if expected, err = digest.Parse(checksum); err != nil {
			return fmt.Errorf("--checksum=%s: %w", checksum, err)
		}
		verifier := expected.Verifier()
		content = io.TeeReader(content, verifier)
		defer func() {
			if err == nil && !verifier.Verified() {
				err = fmt.Errorf("what was downloaded has not the checksum %s", checksum)
			}
		}()
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// placeArchive unpacks a local archive, as ADD does; it reports whether the file
// is one.
func (t transfer) placeArchive(root *tree.Root, dest string, from source, name string, o tree.CopyOptions) (bool, error) {
	f, err := from.root.OpenFile(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	content, _, err := compression.AutoDecompress(f)
	if err != nil {
		return false, nil
	}
	defer content.Close()
	archive := tar.NewReader(content)
	first, err := archive.Next()
	if err != nil || first == nil {
		return false, nil
	}
	// From the beginning, now that it is known to be one.
	again, err := from.root.OpenFile(name)
	if err != nil {
		return false, err
	}
	defer again.Close()
	whole, _, err := compression.AutoDecompress(again)
	if err != nil {
		return false, err
	}
	defer whole.Close()
	into, err := root.MkdirAll(dest, 0o755, tree.Owner{})
	if err != nil {
		return true, err
	}
	defer into.Close()
	if t.chown == "" {
		o.Owner = nil // the archive says who
	}
	// Links of the archive may be absolute: they mean the image's root.
	if err := root.Unpack(whole, tree.Target{Path: dest, Contents: true, Replace: true, Time: o.Time, Owner: o.Owner}); err != nil {
		return true, err
	}
	read, err := from.root.Stat(name)
	o.Seen.Add(read)
	return true, err
}

// unpacks reports whether archives are unpacked: local ones by ADD, and others
// when --unpack says so.
func (t transfer) unpacks(remote bool) bool {
	if t.unpack != nil {
		return *t.unpack
	}
	return t.word == "ADD" && !remote
}

// downloads are the files that ADD fetched.
type downloads struct {
	source
	items []item
}

// openFetched opens the folder of what was fetched, "" for nothing, and returns
// what stands for the files in it.
func openFetched(dir string, items []item) (downloads, string, error) {
	if dir == "" {
		return downloads{}, "", nil
	}
	root, err := tree.Open(dir)
	if err != nil {
		return downloads{}, "", err
	}
	d := downloads{source{root: root, hash: tree.Content}, items}
	sum, err := transfer{}.digest(d.source, items, tree.CopyOptions{Owner: &tree.Owner{}})
	return d, sum, err
}

func (d downloads) close() {
	if d.root != nil {
		d.root.Close()
	}
}

// placeFetched copies what was fetched; such files are their owner's alone.
func (t transfer) placeFetched(root *tree.Root, dest string, into bool, d downloads, o tree.CopyOptions) error {
	o.Keep, o.Seen = nil, nil
	for _, i := range d.items {
		target := dest
		if i.folder {
			err := makeFolder(root, target, o)
			if err == nil {
				err = tree.CopyFolder(root, target, d.root, i.name, o)
			}
			if err != nil {
				return err
			}
			continue
		}
		if t.unpacks(true) {
			if done, err := t.placeArchive(root, target, d.source, i.name, o); done || err != nil {
				return err
			}
		}
		if into && i.base == "" {
			return fmt.Errorf("neither the URL nor the server says what to call the file in %s: name it there, as in %s", dest, path.Join(dest, "FILE"))
		}
		if into {
			target = path.Join(dest, i.base)
		}
		err := copyTo(root, target, o, func() error { return tree.CopyFile(root, target, d.root, i.name, o) })
		if err != nil {
			return err
		}
	}
	return nil
}
