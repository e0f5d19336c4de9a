package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Kind is what a Mount mounts.
type Kind string

// The kinds of Mount.
const (
	KindBind   Kind = "bind"
	KindVolume Kind = "volume"
	KindTmpfs  Kind = "tmpfs"
)

// Mount is something the user, or a VOLUME of the image, wants mounted.
type Mount struct {
	Kind Kind `json:"kind"`
	// Source is an absolute path of the host for a bind, a volume's name ("" for an anonymous one), and empty
	// for a tmpfs.
	Source string `json:"source,omitempty"`
	// Target is the absolute, clean path in the container.
	Target string `json:"target"`
	// ReadOnly forbids writing; with it, WritableBelow leaves what is mounted below Source writable.
	ReadOnly, WritableBelow bool
	// ReadOnlyBelow is whether the user said that what is mounted below is read-only too, as it is anyway.
	ReadOnlyBelow bool `json:"readOnlyBelow,omitempty"`
	// Propagation is private, rprivate, shared, rshared, slave or rslave; "" is rprivate.
	Propagation string `json:"propagation,omitempty"`
	// NonRecursive leaves out what is mounted below Source.
	NonRecursive bool `json:"nonRecursive,omitempty"`
	// CreateSource makes a missing Source directory, as -v does.
	CreateSource bool `json:"createSource,omitempty"`
	// NoCopy leaves a new volume empty instead of filling it from the image.
	NoCopy bool `json:"noCopy,omitempty"`
	// Subpath is the directory inside the volume that is mounted.
	Subpath string `json:"subpath,omitempty"`
	// Labels and DriverOptions are given to a volume that is made.
	Labels        map[string]string `json:"labels,omitempty"`
	DriverOptions map[string]string `json:"driverOptions,omitempty"`
	// Anonymous is whether nobody gave the volume its name: it may go with the container.
	Anonymous bool `json:"anonymous,omitempty"`
	// Options are those of a tmpfs, complete, in the kernel's words.
	Options []string `json:"options,omitempty"`
}

// parseMounts reads -v, --mount, --tmpfs and the image's VOLUMEs into b.mounts, outer paths first.
func (b *builder) parseMounts() error {
	list, err := ParseMounts(b.opts, b.host.Dir)
	if err != nil {
		return err
	}
	if b.host.Volume != nil {
		list = append(list, imageVolumes(b.img.Volumes, list)...)
	}
	slices.SortStableFunc(list, func(x, y Mount) int { return depth(x.Target) - depth(y.Target) })
	b.mounts = list
	return nil
}

// ParseMounts reads -v, --mount and --tmpfs of opts. Relative paths are relative to dir. Two mounts on one
// path are an error, but that one of opts.Inherited gives way.
func ParseMounts(opts Options, dir string) ([]Mount, error) {
	var list []Mount
	for _, set := range []struct {
		words []string
		parse func(word, dir string) (Mount, error)
	}{
		{opts.Volumes, ParseVolume},
		{opts.Mounts, ParseMount},
		{opts.Tmpfs, func(word, _ string) (Mount, error) { return parseTmpfs(word) }},
	} {
		for _, word := range set.words {
			m, err := set.parse(word, dir)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(list, func(x Mount) bool { return x.Target == m.Target }) {
				return nil, fmt.Errorf("duplicate mount point: %s", m.Target)
			}
			list = append(list, m)
		}
	}
	for _, m := range opts.Inherited {
		if !slices.ContainsFunc(list, func(x Mount) bool { return x.Target == m.Target }) {
			list = append(list, m)
		}
	}
	return list, nil
}

// imageVolumes are anonymous volumes for the VOLUMEs that the user mounts nothing on.
func imageVolumes(volumes map[string]struct{}, asked []Mount) []Mount {
	var list []Mount
	for target := range volumes {
		target = path.Clean("/" + target)
		taken := func(m Mount) bool { return m.Target == target }
		if target == "/" || slices.ContainsFunc(asked, taken) || slices.ContainsFunc(list, taken) {
			continue
		}
		list = append(list, Mount{Kind: KindVolume, Target: target})
	}
	slices.SortFunc(list, func(x, y Mount) int { return strings.Compare(x.Target, y.Target) })
	return list
}

func depth(p string) int { return strings.Count(p, "/") }

// target checks the path in the container.
func target(p string) (string, error) {
	if !path.IsAbs(p) {
		return "", fmt.Errorf("the path in the container, %q, must be absolute", p)
	}
	if strings.ContainsRune(p, 0) {
		return "", fmt.Errorf("the path in the container contains a zero byte")
	}
	p = path.Clean(p)
	if p == "/" {
		return "", fmt.Errorf("the path in the container must not be /")
	}
	return p, nil
}
