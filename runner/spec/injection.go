package spec

import (
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Injection is what Container Device Interface files say has to be added to a container for the devices that
// --device and --gpus name. It is read when the container is made, in the caller's namespaces.
type Injection struct {
	Env     []string       `json:",omitempty"`
	Devices []DeviceNode   `json:",omitempty"`
	Mounts  []specs.Mount  `json:",omitempty"`
	Groups  []uint32       `json:",omitempty"` // as the container counts
	Hooks   []InjectedHook `json:",omitempty"`
	// Refused names what the files ask for and nobody but root can give.
	Refused string `json:",omitempty"`
}

// DeviceNode is a device file of the host.
type DeviceNode struct {
	Host, Path  string
	Permissions string `json:",omitempty"` // letters of rwm, all of them when empty
}

// InjectedHook is a program of the host's to run on the way to the container's start. Name is the moment, as
// the OCI runtime specification calls it.
type InjectedHook struct {
	Name string
	specs.Hook
}

// IsCDIName reports whether the value of --device is the name of a device in CDI files, VENDOR/CLASS=NAME.
func IsCDIName(device string) bool {
	kind, _, found := strings.Cut(device, "=")
	return found && !strings.HasPrefix(device, "/") && strings.Contains(kind, "/")
}

// setInjection adds what cannot be a mount; the rest is in injectedMounts.
func (b *builder) setInjection() error {
	in := b.opts.Injection
	if in == nil {
		return nil
	}
	if in.Refused != "" {
		return fmt.Errorf("the device's CDI file asks for %s: %w", in.Refused, ErrNeedsRoot)
	}
	for _, g := range in.Groups {
		if !mapped(b.host.GIDs, g) {
			return fmt.Errorf("the device's CDI file asks for the group %d, which is not among the ids that containers have here", g)
		}
		u := &b.spec.Process.User
		u.AdditionalGids = appendGroup(u.AdditionalGids, g)
	}
	for _, h := range in.Hooks {
		if err := b.addHook(h); err != nil {
			return err
		}
	}
	return nil
}

// addHook takes the hooks that come before the container's command. They are what makes links and the
// linker's cache for a device's libraries.
func (b *builder) addHook(h InjectedHook) error {
	if b.spec.Hooks == nil {
		b.spec.Hooks = new(specs.Hooks)
	}
	all := b.spec.Hooks
	switch h.Name {
	case "prestart", "createRuntime":
		all.CreateRuntime = append(all.CreateRuntime, h.Hook)
	case "createContainer":
		all.CreateContainer = append(all.CreateContainer, h.Hook)
	default:
		return fmt.Errorf("the device's CDI file has a hook %s (%s): rl runs prestart, createRuntime and createContainer hooks only", h.Name, h.Path)
	}
	return nil
}

// injectedMounts are the device files and mounts of CDI files.
func (b *builder) injectedMounts() ([]specs.Mount, error) {
	in := b.opts.Injection
	if in == nil {
		return nil, nil
	}
	var mounts []specs.Mount
	for _, d := range in.Devices {
		if d.Permissions != "" && !(strings.Contains(d.Permissions, "r") && strings.Contains(d.Permissions, "w")) {
			return nil, fmt.Errorf("the CDI file gives %s with permissions %q: %w: they cannot be enforced", d.Host, d.Permissions, ErrNeedsRoot)
		}
		if _, err := os.Stat(d.Host); err != nil {
			return nil, fmt.Errorf("device of a CDI file: %w", err)
		}
		mounts = append(mounts, deviceMount(d.Host, d.Path))
	}
	for _, m := range in.Mounts {
		if m.Type == "" || m.Type == "none" {
			m.Type = "bind"
		}
		if m.Type == "bind" {
			if _, err := os.Stat(m.Source); err != nil {
				return nil, fmt.Errorf("mount of a CDI file: %w", err)
			}
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}
