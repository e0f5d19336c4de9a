package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/lockfile"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/storage"
)

// leftoverAge is how long a layer without an image is taken for a part of a
// pull that still runs, in rl or in another program.
const leftoverAge = 24 * time.Hour

// tidy does what is due after the store was to be changed.
func (s *Store) tidy() {
	_, err := s.RemoveLeftovers()
	if err = errors.Join(err, s.location().ReleaseDead()); err != nil {
		s.warnf("clean up: %v", oneLine(err))
	}
	s.keepReserve()
	if !slices.Equal(storage.GatherFacts(s.factFiles()), s.facts) {
		s.refresh()
	}
}

// sweepHalves removes what processes leave that are killed while they open the
// store or write its lists. They do so under a lock, so that under the same
// lock everything of the kind is of a dead one.
func (s *Store) sweepHalves() error {
	for _, kind := range []string{"images", "layers", "containers"} {
		dir := filepath.Join(s.opened.GraphRoot, s.driverName()+"-"+kind)
		halves, _ := filepath.Glob(filepath.Join(dir, ".tmp-*.json*"))
		if len(halves) == 0 {
			continue
		}
		if err := sweepUnder(filepath.Join(dir, kind+".lock"), halves); err != nil {
			return err
		}
	}
	if err := errors.Join(s.sweepStaging(), s.sweepData()); err != nil {
		return err
	}
	// A record takes far less time to write.
	records, _ := filepath.Glob(filepath.Join(s.options.Data, "images", "*.json.*"))
	for _, r := range records {
		if info, err := os.Stat(r); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.Remove(r)
		}
	}
	// Trials of what the kernel can do, made while the store is opened, under
	// the store's own lock.
	var trials []string
	for _, pattern := range []string{"compat*", "*-check*"} {
		found, _ := filepath.Glob(filepath.Join(s.opened.GraphRoot, s.driverName(), pattern))
		trials = append(trials, found...)
	}
	if len(trials) == 0 {
		return nil
	}
	return sweepUnder(filepath.Join(s.opened.GraphRoot, "storage.lock"), trials)
}

// lockStaging locks the driver's folder: shared, while something is unpacked below
// it, and alone, while what killed processes have left of that is removed.
func (s *Store) lockStaging(how int) (*os.File, error) {
	f, err := os.Open(filepath.Join(s.opened.GraphRoot, s.driverName()))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return f, nil
}

// sweepStaging removes layers that were never finished. While rl unpacks one
// anywhere, that waits for the next time.
func (s *Store) sweepStaging() error {
	pattern := filepath.Join(s.opened.GraphRoot, s.driverName(), "staging", "*")
	if found, _ := filepath.Glob(pattern); len(found) == 0 {
		return nil
	}
	lock, err := s.lockStaging(unix.LOCK_EX | unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	found, _ := filepath.Glob(pattern)
	for _, dir := range found {
		if !inUse(dir) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}

// ownMark is a file beside a layer that rl unpacks. The caller of inUse is the only
// rl at work.
const ownMark = "rl"

// inUse reports whether another program unpacks a layer in dir: it keeps a lock
// there but for the moments in which it begins and ends.
func inUse(dir string) bool {
	const moment = time.Minute
	if _, err := os.Lstat(filepath.Join(dir, ownMark)); err == nil {
		return false
	}
	f, err := os.OpenFile(filepath.Join(dir, "staging.lock"), os.O_RDWR, 0)
	if err != nil {
		info, err := os.Stat(dir)
		return err == nil && time.Since(info.ModTime()) < moment
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock) != nil || lock.Type != unix.F_UNLCK
}

func sweepUnder(path string, files []string) (err error) {
	lock, err := lockfile.GetLockFile(path)
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	for _, f := range files {
		err = errors.Join(err, os.RemoveAll(f))
	}
	return err
}

// RemoveLeftovers removes the layers that belong to no image and no container
// and are older than a day: parts of pulls that were interrupted and never
// taken up again. It returns how many there were. Scratch folders of killed
// processes go, too.
func (s *Store) RemoveLeftovers() (int, error) {
	s.clearScratch()
	return s.removeLeftovers(time.Now())
}

func (s *Store) removeLeftovers(now time.Time) (int, error) {
	if err := s.sweepHalves(); err != nil {
		return 0, explain(err)
	}
	layers, err := s.store.Layers()
	if err != nil {
		return 0, explain(err)
	}
	needed, err := s.neededLayers(layers)
	if err != nil {
		return 0, err
	}
	removed := 0
	// A layer can only go after those above it, which were made later.
	slices.SortFunc(layers, func(a, b cstorage.Layer) int { return b.Created.Compare(a.Created) })
	for _, l := range layers {
		if needed[l.ID] || l.ReadOnly || now.Sub(l.Created) < leftoverAge {
			continue
		}
		if s.store.DeleteLayer(l.ID) == nil {
			removed++
		}
	}
	return removed, nil
}

// neededLayers returns the layers of all images and containers, with all the
// layers below them.
func (s *Store) neededLayers(layers []cstorage.Layer) (map[string]bool, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, explain(err)
	}
	containers, err := s.store.Containers()
	if err != nil {
		return nil, explain(err)
	}
	parents := make(map[string]string, len(layers))
	for _, l := range layers {
		parents[l.ID] = l.Parent
	}
	var tops []string
	for _, i := range images {
		tops = append(append(tops, i.TopLayer), i.MappedTopLayers...)
	}
	for _, c := range containers {
		tops = append(tops, c.LayerID)
	}
	needed := make(map[string]bool)
	for _, id := range tops {
		for ; id != "" && !needed[id]; id = parents[id] {
			needed[id] = true
		}
	}
	return needed, nil
}
