// Package cdi finds devices in Container Device Interface files: what a vendor
// says has to be in a container so that its device works there.
//
// It runs in the caller's namespaces, in the full program only: the library
// brings a YAML parser. See https://github.com/cncf-tags/container-device-interface.
package cdi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
	format "tags.cncf.io/container-device-interface/specs-go"

	"github.com/rl-project/rl/runner/spec"
)

// ErrNoDevice is wrapped for a device that no file describes.
var ErrNoDevice = errors.New("no such device")

// Find reads the CDI files in dirs, later ones winning, and returns what the
// devices, named as VENDOR/CLASS=NAME, and the GPUs need.
func Find(dirs, devices []string, gpus []spec.GPURequest) (spec.Injection, error) {
	cache, err := cdi.NewCache(cdi.WithSpecDirs(dirs...), cdi.WithAutoRefresh(false))
	if err != nil {
		return spec.Injection{}, err
	}
	f := finder{cache, dirs, cache.ListDevices()}
	for _, g := range gpus {
		names, err := f.gpus(g)
		if err != nil {
			return spec.Injection{}, err
		}
		devices = append(devices, names...)
	}
	edits, err := f.edits(devices)
	if err != nil {
		return spec.Injection{}, err
	}
	return injection(edits), nil
}

// finder looks for devices among those that the files describe.
type finder struct {
	cache *cdi.Cache
	dirs  []string
	known []string // sorted
}

// edits merges those of the devices, and once those of each file they are in.
func (f finder) edits(devices []string) (*format.ContainerEdits, error) {
	all := &cdi.ContainerEdits{ContainerEdits: new(format.ContainerEdits)}
	seen := map[*cdi.Spec]bool{}
	for i, name := range devices {
		if slices.Contains(devices[:i], name) {
			continue
		}
		d := f.cache.GetDevice(name)
		if d == nil {
			return nil, f.missing(name)
		}
		if file := d.GetSpec(); !seen[file] {
			seen[file] = true
			all.Append(&cdi.ContainerEdits{ContainerEdits: &file.ContainerEdits})
		}
		all.Append(&cdi.ContainerEdits{ContainerEdits: &d.ContainerEdits})
	}
	return all.ContainerEdits, nil
}

// missing says what there is instead, and which files could not be read.
func (f finder) missing(name string) error {
	broken := f.cache.GetErrors()
	for _, path := range slices.Sorted(maps.Keys(broken)) {
		return fmt.Errorf("%w %s in CDI files; %s cannot be read: %w", ErrNoDevice, name, path, broken[path][0])
	}
	if len(f.known) == 0 {
		return fmt.Errorf("%w %s: there is no CDI file in %s; the vendor's tool makes one (nvidia-ctk cdi generate)",
			ErrNoDevice, name, strings.Join(f.dirs, ", "))
	}
	return fmt.Errorf("%w %s in CDI files; there are %s", ErrNoDevice, name, strings.Join(f.known, ", "))
}

// gpus names the devices of a request.
func (f finder) gpus(r spec.GPURequest) ([]string, error) {
	kind, err := f.gpuKind(r.Driver)
	if err != nil {
		return nil, err
	}
	if r.Count < 0 {
		return f.allOf(kind)
	}
	ids := r.DeviceIDs
	for i := range r.Count {
		ids = append(ids, fmt.Sprint(i))
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = kind + "=" + id
	}
	return names, nil
}

// gpuKind is the VENDOR/CLASS of the driver's GPUs, of the only one that there
// is without a driver's name. NVIDIA's is first, as with Docker.
func (f finder) gpuKind(driver string) (string, error) {
	if driver != "" {
		return driver + ".com/gpu", nil
	}
	const first = "nvidia.com/gpu"
	var kinds []string
	for _, name := range f.known {
		if kind, _, _ := strings.Cut(name, "="); strings.HasSuffix(kind, "/gpu") && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case len(kinds) == 1:
		return kinds[0], nil
	case len(kinds) == 0 || slices.Contains(kinds, first):
		return first, nil
	}
	return "", fmt.Errorf("--gpus: there are %s; name the driver (--gpus driver=...)", strings.Join(kinds, " and "))
}

// allOf is the device that stands for all, or each one where there is none.
func (f finder) allOf(kind string) ([]string, error) {
	if name := kind + "=all"; f.cache.GetDevice(name) != nil {
		return []string{name}, nil
	}
	var names []string
	for _, name := range f.known {
		if strings.HasPrefix(name, kind+"=") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, f.missing(kind + "=all")
	}
	return names, nil
}

// injection puts edits into rl's own form.
func injection(e *format.ContainerEdits) spec.Injection {
	in := spec.Injection{Env: e.Env, Groups: e.AdditionalGIDs}
	switch {
	case len(e.NetDevices) > 0:
		in.Refused = "a network device of the host (" + e.NetDevices[0].HostInterfaceName + ")"
	case e.IntelRdt != nil:
		in.Refused = "a share of the processor's cache (intelRdt)"
	}
	for _, d := range e.DeviceNodes {
		host := d.HostPath
		if host == "" {
			host = d.Path
		}
		in.Devices = append(in.Devices, spec.DeviceNode{Host: host, Path: d.Path, Permissions: d.Permissions})
	}
	for _, m := range e.Mounts {
		in.Mounts = append(in.Mounts, specs.Mount{Destination: m.ContainerPath, Type: m.Type, Source: m.HostPath, Options: m.Options})
	}
	for _, h := range e.Hooks {
		in.Hooks = append(in.Hooks, spec.InjectedHook{Name: h.HookName, Hook: specs.Hook{Path: h.Path, Args: h.Args, Env: h.Env, Timeout: h.Timeout}})
	}
	return in
}
