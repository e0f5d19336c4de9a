package runner

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage/volume"
)

// volumes are the person's volumes, beside the containers.
func (s Store) volumes() volume.Store { return volume.Store{Data: s.Data} }

// planVolume returns the folder that a mount of a volume will show, and gives an
// anonymous one its name. Nothing is made yet: what is asked for besides may be
// wrong.
func (s Store) planVolume(m *spec.Mount) (string, error) {
	if m.Source == "" {
		m.Source, m.Anonymous = volume.NewName(), true
	}
	want := wantedVolume(*m)
	if err := s.volumes().Check(want); err != nil {
		return "", err
	}
	if have, err := s.volumes().Get(m.Source); err == nil {
		want = have
	}
	m.ReadOnly = m.ReadOnly || want.ReadOnly()
	return s.volumes().Source(want), nil
}

func wantedVolume(m spec.Mount) volume.Volume {
	return volume.Volume{Name: m.Source, Labels: m.Labels, Options: m.DriverOptions, Anonymous: m.Anonymous}
}

// volumeNames lists the volumes of a container, each once.
func volumeNames(f spec.Facts) []string {
	var names []string
	for _, m := range f.Volumes {
		if !slices.Contains(names, m.Source) {
			names = append(names, m.Source)
		}
	}
	return names
}

// leases keep volumes from being removed while no description names them yet.
type leases []*volume.Lease

func (l leases) close() {
	for _, lease := range l {
		lease.Close()
	}
}

// leaseVolumes makes the volumes that a new container wants, and fills those
// without data from its image. They are taken in the order of their names: two
// containers that are made at once may want each other's.
func (s Store) leaseVolumes(c Container) (list leases, err error) {
	if len(c.Volumes) == 0 {
		return nil, nil
	}
	facts, err := spec.FactsOf(c.Spec)
	if err != nil {
		return nil, err
	}
	mounts := slices.Clone(facts.Volumes)
	slices.SortStableFunc(mounts, func(a, b spec.Mount) int { return strings.Compare(a.Source, b.Source) })
	for i, m := range mounts {
		if i > 0 && mounts[i-1].Source == m.Source {
			continue // mounted in several places; the first one fills it
		}
		var fill func(string) error
		if !m.NoCopy {
			fill = func(folder string) error { return s.fillVolume(c, m, folder) }
		}
		lease, err := s.volumes().Lease(wantedVolume(m), fill)
		if err != nil {
			return list, fmt.Errorf("volume %s: %w", m.Source, err)
		}
		list = append(list, lease)
	}
	return list, nil
}

// fillVolume copies what the image has at the place of a mount to folder.
func (s Store) fillVolume(c Container, m spec.Mount, folder string) error {
	if len(c.RootFS.Layers) == 0 {
		return nil // not of an image
	}
	image, err := openImage(c.RootFS, s.root())
	if err != nil {
		return err
	}
	defer image.Close()
	from, err := openIn(behind(image), m.Target)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENXIO) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.IsDir() {
		return err
	}
	return volume.CopyTree(behind(from), folder, ownersIn(c))
}

// ownersIn translates the owners of an image's files for a container with a user
// namespace of its own, in which they are to be the same; nil for any other.
func ownersIn(c Container) volume.Owner {
	if c.Spec.Linux == nil || len(c.Spec.Linux.UIDMappings) == 0 {
		return nil
	}
	uids, gids := c.Spec.Linux.UIDMappings, c.Spec.Linux.GIDMappings
	return func(uid, gid int) (int, int) { return outer(uids, uid), outer(gids, gid) }
}

// VolumeUsers tells which containers, by id, mount each volume.
func (s Store) VolumeUsers() (map[string][]string, error) {
	users := make(map[string][]string)
	err := s.eachVolumes(nil, func(id string, names []string) {
		for _, name := range names {
			users[name] = append(users[name], id)
		}
	})
	return users, err
}

// volumeUser returns the id of a container that mounts a volume, "" for none.
func (s Store) volumeUser(name string) (string, error) {
	user := ""
	err := s.eachVolumes([]byte(name), func(id string, names []string) {
		if slices.Contains(names, name) {
			user = id
		}
	})
	return user, err
}

// eachVolumes gives out the names of the volumes of each container whose
// description has the word. A description that cannot be read is an error:
// what it names might be deleted otherwise.
func (s Store) eachVolumes(word []byte, give func(id string, names []string)) error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		data, err := os.ReadFile(s.file(id, "config.json"))
		if errors.Is(err, os.ErrNotExist) {
			continue // it is being made, and holds leases, or is half removed
		}
		if err != nil {
			return err
		}
		if !bytes.Contains(data, word) {
			continue
		}
		var names []string
		if err := pick(data, members{"Volumes": &names}); err != nil {
			return fmt.Errorf("container %.12s: %w", id, err)
		}
		give(id, names)
	}
	return nil
}

// RemoveVolume removes a volume that no container mounts, running or not.
func (s Store) RemoveVolume(name string) error {
	trash, err := s.volumes().Remove(name, func() (string, error) { return s.volumeUser(name) })
	if err != nil {
		return err
	}
	return volume.Purge(trash)
}

// removeAnonymous removes the volumes that were made for a container alone, as
// far as no other one mounts them.
func (s Store) removeAnonymous(c Container) {
	for _, path := range s.hideAnonymous(c) {
		volume.Purge(path)
	}
}

// hideAnonymous is removeAnonymous that leaves the data in the trash, and says
// where. What is in the way is no error: the next prune of volumes tries again.
func (s Store) hideAnonymous(c Container) (trash []string) {
	if len(c.Volumes) == 0 {
		return nil
	}
	facts, err := spec.FactsOf(c.Spec)
	if err != nil {
		return nil
	}
	for _, m := range facts.Volumes {
		if !m.Anonymous {
			continue
		}
		path, err := s.volumes().Remove(m.Source, func() (string, error) { return s.volumeUser(m.Source) })
		if err == nil {
			trash = append(trash, path)
		}
	}
	return trash
}

// openSubpaths opens the folders inside of volumes that are to be mounted, as
// detached mounts: a link that a container has put there leads nowhere out of
// the volume.
func (m *monitor) openSubpaths(l *launch) error {
	for _, v := range m.facts.Volumes {
		if v.Subpath == "" {
			continue
		}
		for _, done := range m.Spec.Mounts {
			if done.Destination != v.Target {
				continue
			}
			folder := strings.TrimSuffix(done.Source, "/"+filepath.ToSlash(v.Subpath))
			tree, err := openSubpath(folder, v.Subpath)
			if err != nil {
				return fmt.Errorf("volume-subpath of %s: %w", v.Source, err)
			}
			l.addTree(done.Destination, tree)
		}
	}
	return nil
}

func openSubpath(folder, path string) (*os.File, error) {
	place, err := openIn(folder, path)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	fd, err := unix.OpenTree(int(place.Fd()), "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, &os.PathError{Op: "mount", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
