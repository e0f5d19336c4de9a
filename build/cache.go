package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/internal/replace"
)

// cache is the folder of what steps left:
//
//	steps/ID/fs          the upper folder of a step's overlay, or a link to the stored layer that it became
//	steps/ID/step.json   what is known of it; changed last when it was last used, locked while a build needs it
//	steps/ID/layer.json  the layer of an image that it became
//	keys/KEY             symbolic link to ../steps/ID
//	fresh/ID             the boot during which it was made, until it is known to be on the disk
//	digests              digests of files in contexts
//
// A key is made of everything that decides a step's result. Folders in steps
// appear whole, by rename, and are never changed. Only what was copied may move
// into the image store, when nobody else looks at it, and is lost with the image:
// the rest would have to be computed again.
type cache struct{ dir string }

// result is what one step left.
type result struct {
	facts
	layer layer
	id    string
	dir   string // "" if the files are not here, see absent
	lock  *os.File
	// place is the folder dir, locked: shared, while the files are to stay where
	// they are, and alone, while they move.
	place *os.File
	also  string // a second key, see cache.alias
}

// facts are what step.json says.
type facts struct {
	Key     string
	Command string
	Created time.Time
	// Again tells a result from another of the same key, which was there and not
	// used (--no-cache): what stands on the other one does not stand on this.
	Again string `json:",omitempty"`
	// Copied says that it is a copy of what is elsewhere as well.
	Copied bool `json:",omitempty"`
}

// layer names the layer that a result once became.
type layer struct {
	ID     string
	DiffID digest.Digest
	Latest string // see [builder.latest]
}

func (c cache) steps(parts ...string) string {
	return filepath.Join(append([]string{c.dir, "steps"}, parts...)...)
}
func (c cache) key(key string) string  { return filepath.Join(c.dir, "keys", key) }
func (c cache) fresh(id string) string { return filepath.Join(c.dir, "fresh", id) }
func (c cache) digests() string        { return filepath.Join(c.dir, "digests") }

// fs is the upper folder.
func (r *result) fs() string { return filepath.Join(r.dir, "fs") }

// find returns the result for a key, locked, or nil.
func (c cache) find(key string) *result {
	target, err := os.Readlink(c.key(key))
	if err != nil {
		return nil
	}
	id := filepath.Base(target)
	r := &result{id: id, dir: c.steps(id)}
	if r.open() != nil {
		return nil
	}
	if boot, err := os.ReadFile(c.fresh(id)); err == nil && string(boot) != process.Boot() {
		// The machine went down before all of it was surely written.
		r.close()
		return nil
	}
	if r.Key != key {
		r.also = key
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(r.dir, "step.json"), now, now)
	return r
}

// open locks a result against being pruned, and reads about it.
func (r *result) open() error {
	path := filepath.Join(r.dir, "step.json")
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		f.Close()
		return err
	}
	ours, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && !os.SameFile(ours, there) {
			err = os.ErrNotExist // pruned in between
		}
	}
	if err == nil {
		err = json.NewDecoder(f).Decode(&r.facts)
	}
	if err == nil {
		err = r.waitForFiles()
	}
	if err != nil {
		f.Close()
		return err
	}
	r.lock = f
	if data, err := os.ReadFile(filepath.Join(r.dir, "layer.json")); err == nil {
		_ = json.Unmarshal(data, &r.layer) // without it the layer is made again
	}
	return nil
}

// add makes a finished step's folder, which holds fs, the result for a key: that of
// the facts, or a second one.
func (c cache) add(dir, key string, f facts) (*result, error) {
	for _, name := range []string{"steps", "keys", "fresh"} {
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "step.json"), data, 0o600); err != nil {
		return nil, err
	}
	r := &result{id: newID()[:20], dir: dir}
	if err := r.open(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.fresh(r.id), []byte(process.Boot()), 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(dir, c.steps(r.id)); err != nil {
		return nil, err
	}
	r.dir = c.steps(r.id)
	if key != f.Key {
		r.also = key
	}
	return r, c.link(key, r)
}

// alias makes a result known by a second key, which can be told without the files
// that its own key was made of.
func (c cache) alias(key string, r *result) error {
	r.also = key
	return c.link(key, r)
}

func (c cache) link(key string, r *result) error {
	link := c.key(key) + "." + newID()[:20]
	if err := os.Symlink(filepath.Join("..", "steps", r.id), link); err != nil {
		return err
	}
	return os.Rename(link, c.key(key))
}

// save writes down which layer a result became.
func (r *result) save() error {
	data, err := json.Marshal(r.layer)
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir, "layer.json")
	return replace.File(path, fmt.Sprintf("%s.%s", path, newID()[:8]), data, 0o600)
}

// settle sees that what was made more than a minute ago is on the disk, where it
// nearly always is by then, so that it can be trusted after a power cut.
func (c cache) settle() error {
	entries, err := os.ReadDir(filepath.Join(c.dir, "fresh"))
	if err != nil {
		return nil // nothing was built yet
	}
	var old []string
	for _, e := range entries {
		path := c.fresh(e.Name())
		boot, err := os.ReadFile(path)
		if info, err2 := e.Info(); err == nil && err2 == nil && string(boot) == process.Boot() && time.Since(info.ModTime()) > time.Minute {
			old = append(old, path)
		}
	}
	if len(old) == 0 {
		return nil
	}
	dir, err := os.Open(c.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	for _, path := range old {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
