package docker

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

// MountPoint is a --mount as HostConfig shows it: what was asked for, with the
// source that it came to be.
type MountPoint struct {
	Type          string
	Source        string `json:",omitempty"`
	Target        string
	ReadOnly      bool           `json:",omitempty"`
	BindOptions   *BindOptions   `json:",omitempty"`
	VolumeOptions *VolumeOptions `json:",omitempty"`
	TmpfsOptions  *TmpfsOptions  `json:",omitempty"`
}

// BindOptions are the bind-... keys of --mount.
type BindOptions struct {
	Propagation            string `json:",omitempty"`
	NonRecursive           bool   `json:",omitempty"`
	CreateMountpoint       bool   `json:",omitempty"`
	ReadOnlyNonRecursive   bool   `json:",omitempty"`
	ReadOnlyForceRecursive bool   `json:",omitempty"`
}

// VolumeOptions are the volume-... keys.
type VolumeOptions struct {
	NoCopy       bool              `json:",omitempty"`
	Labels       map[string]string `json:",omitempty"`
	Subpath      string            `json:",omitempty"`
	DriverConfig *VolumeDriver     `json:",omitempty"`
}

// VolumeDriver is what volume-opt gives to a volume that is made.
type VolumeDriver struct {
	Name    string
	Options map[string]string
}

// TmpfsOptions are the tmpfs-... keys.
type TmpfsOptions struct {
	SizeBytes int64       `json:",omitempty"`
	Mode      os.FileMode `json:",omitempty"`
}

func mountPoints(v runner.View) []MountPoint {
	var list []MountPoint
	mounted := Mounts(v)
	for _, word := range v.Options.Mounts {
		m, _ := spec.ParseMount(word, "/") // read before without an error
		i := slices.IndexFunc(mounted, func(x Mount) bool { return x.Destination == m.Target })
		if i < 0 {
			continue
		}
		p := MountPoint{Type: string(m.Kind), Source: mounted[i].Source, Target: m.Target, ReadOnly: !mounted[i].RW}
		if mounted[i].Name != "" {
			p.Source = mounted[i].Name
		}
		p.setOptions(m)
		list = append(list, p)
	}
	return list
}

// setOptions shows what was said about the mount, nothing where nothing was.
func (p *MountPoint) setOptions(m spec.Mount) {
	bind := BindOptions{
		Propagation: m.Propagation, NonRecursive: m.NonRecursive, CreateMountpoint: m.CreateSource,
		ReadOnlyNonRecursive: m.WritableBelow, ReadOnlyForceRecursive: m.ReadOnlyBelow,
	}
	volume := VolumeOptions{NoCopy: m.NoCopy, Labels: m.Labels, Subpath: m.Subpath}
	if m.DriverOptions != nil {
		volume.DriverConfig = &VolumeDriver{"local", m.DriverOptions}
	}
	switch {
	case m.Kind == spec.KindBind && bind != BindOptions{}:
		p.BindOptions = &bind
	case m.Kind == spec.KindVolume && (m.NoCopy || m.Labels != nil || m.Subpath != "" || m.DriverOptions != nil):
		p.VolumeOptions = &volume
	case m.Kind == spec.KindTmpfs:
		p.TmpfsOptions = tmpfsOptions(m.Options)
	}
}

// tmpfsOptions reads size and mode from the kernel's words, nil for neither.
func tmpfsOptions(words []string) *TmpfsOptions {
	var o TmpfsOptions
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "size":
			o.SizeBytes, _ = strconv.ParseInt(value, 10, 64)
		case "mode":
			mode, _ := strconv.ParseUint(value, 8, 32)
			o.Mode = os.FileMode(mode)
		}
	}
	if o == (TmpfsOptions{}) {
		return nil
	}
	return &o
}
