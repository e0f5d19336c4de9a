package build

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/scratch"
	"github.com/rl-project/rl/internal/treesize"
)

// Record is one step's result in the build cache.
type Record struct {
	ID string
	// Type is "regular", or "exec.cachemount" for the folder of a cache mount.
	Type    string
	Command string
	Created time.Time
	Used    time.Time // last
	Bytes   int64
	InUse   bool // by a build that runs now
}

// Records returns what is in the build cache below the data folder, what was
// used longest ago first. The caller is in rl's user namespace.
func Records(data string) ([]Record, error) {
	c := cacheIn(data)
	all, err := records(c.steps(), "regular")
	if err != nil {
		return nil, err
	}
	mounts, err := records(c.mounts(), cacheMountType)
	if err != nil {
		return nil, err
	}
	all = append(all, mounts...)
	slices.SortFunc(all, func(a, b Record) int { return a.Used.Compare(b.Used) })
	return all, nil
}

// cacheMountType is what BuildKit calls the records of cache mounts.
const cacheMountType = "exec.cachemount"

// records returns those of one folder.
func records(dir, kind string) (all []Record, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		r, err := record(filepath.Join(dir, e.Name()), kind)
		if errors.Is(err, os.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func record(dir, kind string) (Record, error) {
	r := Record{ID: filepath.Base(dir), Type: kind}
	path := filepath.Join(dir, "step.json")
	lock, err := lockResult(path)
	if err == nil {
		lock.Close()
	}
	r.InUse = errors.Is(err, unix.EWOULDBLOCK)
	info, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	r.Used = info.ModTime()
	var f facts
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return r, err
	}
	r.Command, r.Created = f.Command, f.Created
	r.Bytes, err = treesize.Bytes(filepath.Join(dir, "fs"))
	return r, err
}

// lockResult takes a result for removal; EWOULDBLOCK says that a build uses it.
func lockResult(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Prune removes those results from the build cache that no build uses and for
// which remove holds, and what killed builds have left. It returns those that it
// removed. Images stay as they are.
func Prune(data string, remove func(Record) bool) (removed []Record, err error) {
	c := cacheIn(data)
	tmp := filepath.Join(data, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, err
	}
	scratch.Clear(tmp, scratchPrefix)
	all, err := Records(data)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.InUse || !remove(r) {
			continue
		}
		switch err := c.remove(r, filepath.Join(tmp, scratchPrefix+newID()[:20])); {
		case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, os.ErrNotExist): // taken meanwhile
		case err != nil:
			return removed, err
		default:
			removed = append(removed, r)
		}
	}
	return removed, c.sweep()
}

// remove takes a result out of the cache at once, and then its files, which may
// take longer, away. It moves to trash, a new name for what a killed build has left,
// as a folder for it could not be made on a full disk.
func (c cache) remove(r Record, trash string) error {
	dir := c.steps(r.ID)
	if r.Type == cacheMountType {
		dir = c.mounts(r.ID)
	}
	lock, err := lockResult(filepath.Join(dir, "step.json"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.Rename(dir, trash); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(trash), ignoreMissing(os.Remove(c.fresh(r.ID))))
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// sweep removes keys and marks of results that are gone.
func (c cache) sweep() error {
	keys, err := filepath.Glob(c.key("*"))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := os.Stat(key); errors.Is(err, os.ErrNotExist) {
			os.Remove(key)
		}
	}
	marks, err := filepath.Glob(c.fresh("*"))
	if err != nil {
		return err
	}
	for _, mark := range marks {
		// A mark is made just before its result: a young one may be waiting for it.
		info, err := os.Stat(mark)
		if err == nil && time.Since(info.ModTime()) > time.Minute && !exists(c.steps(filepath.Base(mark))) {
			os.Remove(mark)
		}
	}
	return nil
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func cacheIn(data string) cache { return cache{filepath.Join(data, "build")} }

// scratchPrefix begins the names of the folders that builds work in.
const scratchPrefix = "build-"
