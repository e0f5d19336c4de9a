package volume

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/events"
)

// NewName returns a name for an anonymous volume.
func NewName() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// anonymousLabel is how Docker marks volumes without a name, for filters.
const anonymousLabel = "com.docker.volume.anonymous"

// Check refuses what Create would refuse, and changes nothing.
func (s Store) Check(want Volume) error {
	if err := checkName(want.Name); err != nil {
		return err
	}
	if err := checkOptions(want.Options); err != nil {
		return err
	}
	have, err := s.Get(want.Name)
	if err == nil && len(want.Options) > 0 && !maps.Equal(have.Options, want.Options) {
		return fmt.Errorf("%w: %s", ErrConflict, want.Name)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// Create makes a volume, or returns the one that has the name, as it is.
func (s Store) Create(want Volume) (Volume, error) {
	if err := s.Check(want); err != nil {
		return Volume{}, err
	}
	if device := want.Device(); device != "" {
		if info, err := os.Stat(device); err != nil || !info.IsDir() {
			return Volume{}, fmt.Errorf("%w device=%s: there is no such folder", ErrOption, device)
		}
	}
	for {
		have, err := s.Get(want.Name)
		if !errors.Is(err, ErrNotFound) {
			return have, err
		}
		want.Created = time.Now()
		if want.Anonymous {
			want.Labels = maps.Clone(want.Labels)
			if want.Labels == nil {
				want.Labels = make(map[string]string)
			}
			want.Labels[anonymousLabel] = ""
		}
		err = s.put(want)
		if err == nil {
			s.record("create", want.Name)
			return want, nil
		}
		// Somebody else was faster, or emptied the trash.
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return Volume{}, fmt.Errorf("create volume %s: %w", want.Name, err)
		}
	}
}

// put makes the volume in the trash and moves it to its place as a whole.
func (s Store) put(v Volume) (err error) {
	for _, dir := range []string{s.folder(), s.trash()} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	made := filepath.Join(s.trash(), "volume-"+NewName())
	if err := os.Mkdir(made, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(made)
		}
	}()
	record, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "volume.json"), record, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "lock"), nil, 0o600); err != nil {
		return err
	}
	data := filepath.Join(made, "_data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(data, 0o755); err != nil { // whatever the umask is
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, s.path(v.Name), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) {
		// A file system without that; a folder does not replace a full one.
		err = os.Rename(made, s.path(v.Name))
		if errors.Is(err, unix.ENOTEMPTY) {
			err = fs.ErrExist
		}
	}
	return err
}

// record adds to the record of events what was done to a volume.
func (s Store) record(action, name string) {
	events.In(s.Data).Write(events.Event{
		Type: events.Volume, Action: action,
		Actor: events.Actor{ID: name, Attributes: map[string]string{"driver": Driver}},
	})
}
