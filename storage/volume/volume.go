// Package volume keeps volumes: folders of data that outlive containers and
// are shared by them.
//
//	volumes/NAME/volume.json  the record: when it was made, labels, options
//	volumes/NAME/_data        what containers see
//	volumes/NAME/lock         held while the volume is put to use, filled or removed
//	volumes/NAME/used         there since an image's files were first offered
//	volumes/NAME/fill         a copy from an image that is being made
//	volumes/NAME/ready        a copy that is whole and is being moved to _data
//
// A volume comes into being and goes by one rename of its folder, from and to
// the trash, which anybody may empty. It is filled from an image by a copy
// beside it; whoever was killed while he moved that to its place, the next one
// to use the volume goes on with it.
//
// Which containers use a volume is not known here. Who makes a container holds
// the volume's Lease until the container's description is written, and Remove
// asks, when nobody holds one, whether a description names the volume.
//
// Callers are in rl's user namespace, but for those that only read records.
package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Driver is the name of the only driver that there is.
const Driver = "local"

// Volume is the record of one volume.
type Volume struct {
	Name    string
	Created time.Time
	Labels  map[string]string `json:",omitempty"`
	// Options are those of the local driver as given: type, device and o.
	Options map[string]string `json:",omitempty"`
	// Anonymous is whether it was made, without a name being asked for, for one
	// container, with which `rm -v` removes it.
	Anonymous bool `json:",omitempty"`
}

// Device returns the folder of the host that the volume stands for, "" for one
// with data of its own.
func (v Volume) Device() string { return v.Options["device"] }

// Store is a person's volumes, in rl's data folder.
type Store struct{ Data string }

func (s Store) folder() string { return filepath.Join(s.Data, "volumes") }
func (s Store) trash() string  { return filepath.Join(s.Data, "trash") }
func (s Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.folder()}, parts...)...)
}

// Mountpoint returns the folder of a volume's data as inspect shows it; that
// of a volume with a device is empty.
func (s Store) Mountpoint(name string) string { return s.path(name, "_data") }

// Source returns the folder that containers mount.
func (s Store) Source(v Volume) string {
	if device := v.Device(); device != "" {
		return device
	}
	return s.Mountpoint(v.Name)
}

// Get returns the record of a volume.
func (s Store) Get(name string) (Volume, error) {
	if err := checkName(name); err != nil {
		return Volume{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	data, err := os.ReadFile(s.path(name, "volume.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Volume{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return Volume{}, err
	}
	var v Volume
	if err := json.Unmarshal(data, &v); err != nil || v.Name != name {
		// A power cut may leave the record empty; the data is what counts.
		return s.restore(name)
	}
	return v, nil
}

// restore makes up the record of a volume that has lost its own.
func (s Store) restore(name string) (Volume, error) {
	info, err := os.Stat(s.Mountpoint(name))
	if err != nil {
		return Volume{}, fmt.Errorf("volume %s is damaged: %w; remove it with rl volume rm -f", name, err)
	}
	return Volume{Name: name, Created: info.ModTime()}, nil
}

// List returns all volumes in the order of their names. One that cannot be read
// is left out, and named in the error beside the others.
func (s Store) List() ([]Volume, error) {
	entries, err := os.ReadDir(s.folder())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []Volume
	failed := []error{err}
	for _, e := range entries {
		v, err := s.Get(e.Name())
		switch {
		case err == nil:
			list = append(list, v)
		case !errors.Is(err, ErrNotFound):
			failed = append(failed, err)
		}
	}
	return list, errors.Join(failed...)
}

// checkName refuses what cannot be a volume's name, by Docker's rule.
func checkName(name string) error {
	valid := func(i int, r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return letter || i > 0 && strings.ContainsRune("_.-", r)
	}
	for i, r := range name {
		if !valid(i, r) {
			return fmt.Errorf("%w: %q: use letters, digits and _ . - and begin with a letter or digit", ErrInvalidName, name)
		}
	}
	if len(name) < 2 || len(name) > 255 {
		return fmt.Errorf("%w: %q: use 2 to 255 characters", ErrInvalidName, name)
	}
	return nil
}

// checkOptions refuses what the local driver cannot do for an ordinary user.
func checkOptions(o map[string]string) error {
	for key := range o {
		if !slices.Contains([]string{"type", "device", "o"}, key) {
			return fmt.Errorf("%w %q: the local driver has type, device and o", ErrOption, key)
		}
	}
	if len(o) == 0 {
		return nil
	}
	bind := slices.ContainsFunc(strings.Split(o["o"], ","), func(w string) bool { return w == "bind" || w == "rbind" })
	switch kind := o["type"]; {
	case kind == "tmpfs":
		return fmt.Errorf("%w type=tmpfs: without a daemon nothing holds it between containers; give each its own with --tmpfs", ErrOption)
	case kind != "" && kind != "none" && kind != "bind", !bind:
		return fmt.Errorf("%w type=%s: only root can mount that; a folder of yours goes with --opt type=none --opt o=bind --opt device=/path", ErrOption, kind)
	case !filepath.IsAbs(o["device"]):
		return fmt.Errorf("%w device=%q: it must be the absolute path of a folder", ErrOption, o["device"])
	}
	for word := range strings.SplitSeq(o["o"], ",") {
		if !slices.Contains([]string{"bind", "rbind", "rw", "ro"}, word) {
			return fmt.Errorf("%w o=%s: with bind there are rw and ro", ErrOption, word)
		}
	}
	return nil
}

// ReadOnly reports whether the volume's own options forbid writing.
func (v Volume) ReadOnly() bool {
	return slices.Contains(strings.Split(v.Options["o"], ","), "ro")
}
