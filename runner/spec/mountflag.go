package spec

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// ParseMount reads the value of --mount: comma-separated key=value (quoted as in CSV where a value has a comma).
// Relative sources are relative to dir. The source of a bind must exist.
func ParseMount(s, dir string) (Mount, error) {
	m, err := parseMount(s, dir)
	if err != nil {
		return m, fmt.Errorf("invalid mount %q: %w", s, err)
	}
	return m, nil
}

// mountFlag is --mount while it is read.
type mountFlag struct {
	Mount
	keys    []string // all that were given
	options []string // of a tmpfs
}

func parseMount(s, dir string) (Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return Mount{}, errors.New("write type=bind,source=PATH,target=PATH")
	}
	if strings.ContainsRune(s, 0) {
		return Mount{}, errors.New("it contains a zero byte")
	}
	f := mountFlag{Mount: Mount{Kind: KindVolume}}
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if err := f.set(key, value, hasValue); err != nil {
			return f.Mount, err
		}
		f.keys = append(f.keys, key)
	}
	return f.finish(dir)
}

func (f *mountFlag) set(key, value string, hasValue bool) (err error) {
	switch key {
	case "readonly", "ro":
		f.ReadOnly, err = boolean(key, value, hasValue)
		return err
	case "volume-nocopy":
		f.NoCopy, err = boolean(key, value, hasValue)
		return err
	case "bind-nonrecursive":
		f.NonRecursive, err = boolean(key, value, hasValue)
		return err
	case "bind-create-src":
		f.CreateSource, err = boolean(key, value, hasValue)
		return err
	}
	if !hasValue || value == "" {
		return fmt.Errorf("%q needs a value", key)
	}
	return f.setValue(key, value)
}

func (f *mountFlag) setValue(key, value string) (err error) {
	switch key {
	case "type":
		return f.setType(value)
	case "source", "src":
		f.Source = value
	case "target", "dst", "destination":
		f.Target, err = target(value)
	case "bind-propagation":
		if f.Propagation = value; !propagation(value) {
			err = fmt.Errorf("bind-propagation %q: choose [r]private, [r]shared or [r]slave", value)
		}
	case "bind-recursive":
		err = f.setRecursive(value)
	case "consistency": // of Docker Desktop
	case "volume-subpath":
		err = f.setSubpath(value)
	case "volume-label":
		if f.Labels == nil {
			f.Labels = map[string]string{}
		}
		err = ParseLabels(f.Labels, "volume-label", []string{value})
	case "volume-opt":
		err = f.setDriverOption(value)
	case "volume-driver":
		if value != "local" {
			err = fmt.Errorf("volume-driver %q: %w: only local volumes exist", value, ErrNeedsRoot)
		}
	case "tmpfs-size":
		err = f.setSize(value)
	case "tmpfs-mode":
		if _, bad := strconv.ParseUint(value, 8, 12); bad != nil {
			err = fmt.Errorf("tmpfs-mode %q: give it in octal, such as 1777", value)
		}
		f.options = append(f.options, "mode="+value)
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func (f *mountFlag) setType(value string) error {
	f.Kind = Kind(strings.ToLower(value))
	switch f.Kind {
	case KindBind, KindVolume, KindTmpfs:
		return nil
	}
	return fmt.Errorf("type %q: choose bind, volume or tmpfs", value)
}

func (f *mountFlag) setRecursive(value string) error {
	switch value {
	case "enabled":
	case "readonly":
		f.ReadOnlyBelow = true
	case "disabled":
		f.NonRecursive = true
	case "writable":
		f.WritableBelow = true
	default:
		return fmt.Errorf("bind-recursive %q: choose enabled, disabled, writable or readonly", value)
	}
	return nil
}

func (f *mountFlag) setSubpath(value string) error {
	if !filepath.IsLocal(value) {
		return fmt.Errorf("volume-subpath %q leads out of the volume", value)
	}
	f.Subpath = filepath.Clean(value)
	return nil
}

func (f *mountFlag) setDriverOption(value string) error {
	key, value, found := strings.Cut(value, "=")
	if !found || key == "" {
		return fmt.Errorf("volume-opt %q is not like KEY=VALUE", key)
	}
	if f.DriverOptions == nil {
		f.DriverOptions = map[string]string{}
	}
	f.DriverOptions[key] = value
	return nil
}

func (f *mountFlag) setSize(value string) error {
	n, err := units.RAMInBytes(value)
	if err != nil || n < 0 {
		return fmt.Errorf("tmpfs-size %q: give bytes, or a number with k, m or g", value)
	}
	f.options = append(f.options, fmt.Sprintf("size=%d", n))
	return nil
}

func boolean(key, value string, hasValue bool) (bool, error) {
	if !hasValue {
		return true, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s=%q: say true or false", key, value)
	}
	return b, nil
}

// finish checks what only the whole can tell.
func (f *mountFlag) finish(dir string) (Mount, error) {
	if f.Target == "" {
		return f.Mount, fmt.Errorf("target is missing")
	}
	for _, key := range f.keys {
		kind, _, found := strings.Cut(key, "-")
		if found && kind != string(f.Kind) {
			return f.Mount, fmt.Errorf("%s is not for type=%s", key, f.Kind)
		}
	}
	switch f.Kind {
	case KindTmpfs:
		return f.finishTmpfs()
	case KindBind:
		return f.finishBind(dir)
	}
	if f.Source != "" {
		return f.Mount, checkVolumeName(f.Source)
	}
	return f.Mount, nil
}

func (f *mountFlag) finishTmpfs() (Mount, error) {
	if f.Source != "" {
		return f.Mount, fmt.Errorf("source is not for type=tmpfs")
	}
	if f.ReadOnly {
		f.options = append(f.options, "ro")
	}
	var err error
	f.Options, err = tmpfsOptions(strings.Join(f.options, ","))
	return f.Mount, err
}

func (f *mountFlag) finishBind(dir string) (Mount, error) {
	if f.Source == "" {
		return f.Mount, fmt.Errorf("source is missing")
	}
	if f.ReadOnlyBelow && !f.ReadOnly {
		return f.Mount, fmt.Errorf("bind-recursive=readonly is for readonly mounts")
	}
	if f.WritableBelow && !f.ReadOnly {
		return f.Mount, fmt.Errorf("bind-recursive=writable is for readonly mounts")
	}
	if slices.Contains(f.keys, "bind-recursive") && f.NonRecursive && f.WritableBelow {
		return f.Mount, fmt.Errorf("bind-recursive contradicts bind-nonrecursive")
	}
	if !filepath.IsAbs(f.Source) {
		f.Source = filepath.Join(dir, f.Source)
	}
	f.Source = filepath.Clean(f.Source)
	if f.CreateSource {
		return f.Mount, nil
	}
	if _, err := os.Stat(f.Source); errors.Is(err, os.ErrNotExist) {
		return f.Mount, fmt.Errorf("bind source path does not exist: %s (-v would make it)", f.Source)
	} else if err != nil && !errors.Is(err, os.ErrPermission) {
		return f.Mount, err
	}
	// What this process may not look at, root's command has opened for it;
	// otherwise mounting it says what is wrong.
	return f.Mount, nil
}
