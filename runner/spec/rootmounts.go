package spec

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	units "github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// defaultShmSize is that of /dev/shm in bytes.
const defaultShmSize = 64 << 20

// ttyGroup is the group of terminals in nearly every distribution.
const ttyGroup = 5

// setMounts lists everything mounted over the root file system, in the order it has to be done: the default
// mounts, the devices, rl's files, and what the user asked for, outer paths first. What the user mounts on a
// path replaces the default there and hides the defaults below it.
func (b *builder) setMounts() error {
	shm, err := ParseShmSize(b.opts.ShmSize)
	if err != nil {
		return err
	}
	devices, err := b.deviceMounts()
	if err != nil {
		return err
	}
	injected, err := b.injectedMounts()
	if err != nil {
		return err
	}
	mounts := b.systemMounts(shm)
	mounts = append(mounts, devices...)
	mounts = append(mounts, injected...)
	mounts = append(mounts, b.fileMounts()...)
	mounts = append(mounts, b.systemdMounts()...)
	mounts = slices.DeleteFunc(mounts, b.replaced)
	for _, m := range b.mounts {
		om, err := b.userMount(m)
		if err != nil {
			return err
		}
		mounts = append(mounts, om)
	}
	b.spec.Mounts = mounts
	return nil
}

// systemMounts are proc, dev, sys and what belongs below them.
func (b *builder) systemMounts(shm int64) []specs.Mount {
	mounts := []specs.Mount{
		b.procMount(),
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: b.devptsOptions()},
		b.sysMount(),
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
			Options: []string{b.cgroupAccess(), "nosuid", "noexec", "nodev", "relatime"}},
	}
	if b.host.Mqueue && b.has(specs.IPCNamespace) {
		mounts = append(mounts, specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue",
			Options: []string{"nosuid", "noexec", "nodev"}})
	}
	return append(mounts, b.shmMount(shm)...)
}

// procMount: proc shows a pid namespace and only its owner may mount it.
func (b *builder) procMount() specs.Mount {
	if b.opts.PID == "host" {
		return specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc",
			Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}}
	}
	return specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
}

// devptsOptions leave out the group where it is not mapped: the kernel refuses the mount then.
func (b *builder) devptsOptions() []string {
	options := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	if mapped(b.host.GIDs, ttyGroup) {
		options = append(options, fmt.Sprintf("gid=%d", ttyGroup))
	}
	return options
}

// sysMount: sysfs shows the devices of a network namespace and only its owner may mount it.
func (b *builder) sysMount() specs.Mount {
	if b.hostNetwork() {
		return specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys",
			Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev", "rro"}}
	}
	return specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs",
		Options: []string{b.access(), "nosuid", "noexec", "nodev"}}
}

// access is read-only, except with --privileged.
func (b *builder) access() string {
	if b.opts.Privileged {
		return "rw"
	}
	return "ro"
}

// cgroupAccess: an init system makes groups for its services.
func (b *builder) cgroupAccess() string {
	if b.facts.Systemd {
		return "rw"
	}
	return b.access()
}

// systemdMounts are what systemd's container interface asks for: empty /run, /run/lock and /tmp.
func (b *builder) systemdMounts() []specs.Mount {
	if !b.facts.Systemd {
		return nil
	}
	var mounts []specs.Mount
	for _, d := range []struct{ path, mode string }{{"/run", "mode=755"}, {"/run/lock", "mode=1777"}, {"/tmp", "mode=1777"}} {
		mounts = append(mounts, specs.Mount{Destination: d.path, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "nodev", d.mode}})
	}
	return mounts
}

// JoinedShm is the source of /dev/shm in a container that shares another's ipc namespace: that container's, which
// is in its mount namespace only. It is no path, and whoever starts the container brings the mount.
const JoinedShm = "joined:/dev/shm"

// shmMount: shared memory goes with the ipc namespace.
func (b *builder) shmMount(size int64) []specs.Mount {
	const dir = "/dev/shm"
	switch {
	case b.opts.IPC == "none":
		return nil
	case b.facts.Join[specs.IPCNamespace] != "":
		return []specs.Mount{{Destination: dir, Type: "bind", Source: JoinedShm, Options: []string{"bind", "rprivate"}}}
	case b.opts.IPC == "host":
		return []specs.Mount{{Destination: dir, Type: "bind", Source: dir, Options: []string{"rbind", "rprivate"}}}
	}
	return []specs.Mount{{Destination: dir, Type: "tmpfs", Source: "shm",
		Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}}}
}

// ParseShmSize reads --shm-size in bytes; "" is 64 MiB.
func ParseShmSize(s string) (int64, error) {
	if s == "" {
		return defaultShmSize, nil
	}
	n, err := units.RAMInBytes(s)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--shm-size %q: give bytes, or a number with k, m or g", s)
	}
	return n, nil
}

// fileMounts are the files rl writes for the container.
func (b *builder) fileMounts() []specs.Mount {
	options := []string{"bind", "rprivate"}
	if b.opts.ReadOnly {
		options = append(options, "ro")
	}
	var mounts []specs.Mount
	for _, dst := range slices.Sorted(maps.Keys(b.host.Files)) {
		mounts = append(mounts, specs.Mount{Destination: dst, Type: "bind", Source: b.host.Files[dst], Options: options})
	}
	return mounts
}

// replaced is whether a mount of the user's covers the default one m.
func (b *builder) replaced(m specs.Mount) bool {
	return slices.ContainsFunc(b.mounts, func(u Mount) bool {
		return m.Destination == u.Target || strings.HasPrefix(m.Destination, u.Target+"/")
	})
}

func (b *builder) userMount(m Mount) (specs.Mount, error) {
	switch m.Kind {
	case KindTmpfs:
		return specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: m.Options}, nil
	case KindVolume:
		return b.volumeMount(m)
	}
	if m.CreateSource {
		b.facts.CreateSources = append(b.facts.CreateSources, m.Source)
	}
	return specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: bindOptions(m)}, nil
}

func (b *builder) volumeMount(m Mount) (specs.Mount, error) {
	if b.host.Volume == nil {
		return specs.Mount{}, fmt.Errorf("volume %q for %s: volumes are not available; mount a directory (/path or ./path)",
			m.Source, m.Target)
	}
	dir, err := b.host.Volume(&m)
	if err != nil {
		return specs.Mount{}, fmt.Errorf("volume %q for %s: %w", m.Source, m.Target, err)
	}
	b.facts.Volumes = append(b.facts.Volumes, m)
	return specs.Mount{Destination: m.Target, Type: "bind", Source: path.Join(dir, m.Subpath), Options: bindOptions(m)}, nil
}

// bindOptions are those of a bind mount, in the words of mount(8) and runc.
func bindOptions(m Mount) []string {
	options := []string{"rbind"}
	if m.NonRecursive {
		options[0] = "bind"
	}
	switch {
	case m.ReadOnly && (m.WritableBelow || m.NonRecursive):
		options = append(options, "ro")
	case m.ReadOnly:
		options = append(options, "rro")
	}
	if m.Propagation == "" {
		return append(options, "rprivate")
	}
	return append(options, m.Propagation)
}
