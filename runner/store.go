package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/replace"
)

// Store is the folder of a person's containers:
//
//	containers/ID/config.json   a Container
//	containers/ID/state.json    a State
//	containers/ID/lock          locked by the process that changes the container: its monitor while it runs
//	containers/ID/upper, work   what the container wrote (overlayfs)
//	root                        mount point of every container, always empty from outside
//	names/NAME                  symbolic link to ../containers/ID
//	trash/ID                    containers on their way out
//
// Reading needs no lock and never writes. Files are replaced by rename, so a
// reader sees an old one or a new one. Writing happens inside the user
// namespace, where all files belong to its user 0.
type Store struct{ dirs.Dirs }

func (s Store) containers() string          { return filepath.Join(s.Data, "containers") }
func (s Store) names() string               { return filepath.Join(s.Data, "names") }
func (s Store) root() string                { return filepath.Join(s.Data, "root") }
func (s Store) trash() string               { return filepath.Join(s.Data, "trash") }
func (s Store) Folder(id string) string     { return filepath.Join(s.containers(), id) }
func (s Store) file(id, name string) string { return filepath.Join(s.containers(), id, name) }
func (s Store) LogPath(id string) string    { return s.file(id, id+"-json.log") }
func (s Store) readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Load returns a container by its full id.
func (s Store) Load(id string) (View, error) {
	var c Container
	if err := s.readJSON(s.file(id, "config.json"), &c); err != nil {
		return s.damaged(id, err)
	}
	s.settleName(&c)
	st, err := s.loadState(id)
	if err != nil {
		return s.damaged(id, err)
	}
	return look(c, s.settleState(id, st)), nil
}

// loadState returns a container's state, the zero one where nothing has
// happened to it yet.
func (s Store) loadState(id string) (State, error) {
	var st State
	err := s.readJSON(s.file(id, "state.json"), &st)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return st, err
}

// List returns all containers, the newest first. One that cannot be read is
// left out, and named in the error beside the others.
func (s Store) List() ([]View, error) {
	return s.each(func(id string) (View, bool, error) {
		v, err := s.Load(id)
		return v, true, err
	})
}

// each lists the containers that load wants to be listed, as List does.
func (s Store) each(load func(id string) (v View, wanted bool, err error)) ([]View, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var views []View
	var failed []error
	for _, id := range ids {
		v, wanted, err := load(id)
		switch {
		case errors.Is(err, os.ErrNotExist): // being made, or being removed
		case err != nil:
			failed = append(failed, err)
		case wanted:
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b View) int { return b.Created.Compare(a.Created) })
	return views, errors.Join(failed...)
}

func (s Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.containers())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids, err
}

// Find returns the container that ref names: a name, an id, or the beginning
// of one id. With ErrDamaged, it has an ID and a Name and nothing else.
func (s Store) Find(ref string) (View, error) {
	ref = strings.TrimPrefix(ref, "/") // as inspect shows names
	if ValidName(ref) == nil {
		if target, err := os.Readlink(filepath.Join(s.names(), ref)); err == nil {
			if v, err := s.Load(filepath.Base(target)); err == nil || errors.Is(err, ErrDamaged) {
				return v, err
			}
		}
	}
	ids, err := s.ids()
	if err != nil {
		return View{}, err
	}
	var found []View
	var broken error // of the only one
	for _, id := range ids {
		if ref == "" || !strings.HasPrefix(id, ref) {
			continue
		}
		if v, err := s.Load(id); err == nil || errors.Is(err, ErrDamaged) {
			found, broken = append(found, v), err
		}
	}
	switch len(found) {
	case 0:
		return View{}, fmt.Errorf("%w: %s", ErrNotFound, ref)
	case 1:
		return found[0], broken
	}
	return View{}, fmt.Errorf("%w: %s", ErrAmbiguous, ref)
}

// prepare makes the folders that containers are put into.
func (s Store) prepare() error {
	for _, dir := range []string{s.containers(), s.names(), s.trash(), s.root(), s.sockets(), s.network()} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// saveContainer writes a container's description down.
func (s Store) saveContainer(c Container) error {
	return s.save(c.ID, "config.json", written{Container: &c, Spec: onLinux(c.Spec)})
}

// written is a Container without the parts of its Spec that are for other
// systems: package json looks into the type of each field, used or not, which
// took a twentieth of a start.
type written struct {
	*Container
	Spec *linuxSpec
}

// linuxSpec is specs.Spec, as far as rl fills it in.
type linuxSpec struct {
	Version     string            `json:"ociVersion"`
	Process     *specs.Process    `json:"process,omitempty"`
	Root        *specs.Root       `json:"root,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Domainname  string            `json:"domainname,omitempty"`
	Mounts      []specs.Mount     `json:"mounts,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Linux       *specs.Linux      `json:"linux,omitempty"`
}

func onLinux(s *specs.Spec) *linuxSpec {
	if s == nil {
		return nil
	}
	return &linuxSpec{s.Version, s.Process, s.Root, s.Hostname, s.Domainname, s.Mounts, s.Annotations, s.Linux}
}

// save writes a container's file anew, whole or not at all.
func (s Store) save(id, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replace.File(s.file(id, name), s.file(id, name+".new"), data, 0o600)
}

// lock takes the container for the calling process, until the file is closed
// or the process ends. Another process that has it makes it fail with ErrRunning.
//
// It is a lock of the open file (F_OFD_SETLK, fcntl(2)) because that can be
// asked about without being taken.
func (s Store) lock(id string) (*os.File, error) {
	f, err := os.OpenFile(s.file(id, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("%w: %s", ErrRunning, id[:12])
	}
	return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// locked reports whether some process has taken the container.
func (s Store) locked(id string) bool {
	f, err := os.Open(s.file(id, "lock"))
	if err != nil {
		return false
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK
}
