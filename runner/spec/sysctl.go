package spec

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ipcSysctls belong to the ipc namespace; fs.mqueue.* does too.
func ipcSysctls() []string {
	return []string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced",
	}
}

// setSysctls: the defaults let any user of the container open ports below 1024 and use ping, as in Docker.
func (b *builder) setSysctls() error {
	sysctls := map[string]string{}
	if b.has(specs.NetworkNamespace) {
		sysctls["net.ipv4.ip_unprivileged_port_start"] = "0"
		if groups := pingGroups(b.host.GIDs); groups != "" {
			sysctls["net.ipv4.ping_group_range"] = groups
		}
	}
	for _, s := range b.opts.Sysctls {
		key, value, err := parseSysctl(s)
		if err != nil {
			return err
		}
		if err := b.checkSysctl(key); err != nil {
			return err
		}
		sysctls[key] = value
	}
	if len(sysctls) > 0 {
		b.spec.Linux.Sysctl = sysctls
	}
	return nil
}

// pingGroups is the range of groups that may ping. The kernel compares the ids as they are outside the user
// namespace, and takes no range that runs backwards there; "" when the map has no usable one.
func pingGroups(gids []specs.LinuxIDMapping) string {
	if len(gids) == 0 {
		return "0 2147483647"
	}
	first := gids[0]
	last := first
	for _, m := range gids[1:] {
		if m.ContainerID == last.ContainerID+last.Size && m.HostID >= last.HostID+last.Size {
			last = m
		}
	}
	if first.ContainerID != 0 {
		return ""
	}
	return fmt.Sprintf("%d %d", first.ContainerID, last.ContainerID+last.Size-1)
}

// parseSysctl reads name=value and refuses settings that are not a container's own. Slashes in the name are
// dots, as in sysctl(8).
func parseSysctl(s string) (key, value string, err error) {
	key, value, found := strings.Cut(s, "=")
	if !found || key == "" {
		return "", "", fmt.Errorf("invalid sysctl %q: write NAME=VALUE", s)
	}
	key = dotted(key)
	file := SysctlFile(key)
	if strings.ContainsRune(s, 0) || !filepath.IsLocal(file) || path.Clean(file) != file {
		return "", "", fmt.Errorf("invalid sysctl %q: not a name", s)
	}
	if strings.HasPrefix(key, "net.") || strings.HasPrefix(key, "fs.mqueue.") || slices.Contains(ipcSysctls(), key) {
		return key, value, nil
	}
	return "", "", fmt.Errorf("--sysctl %s: it belongs to the whole machine; a container has its own net.*, fs.mqueue.*, "+
		"kernel.msg*, kernel.sem and kernel.shm* only", key)
}

// dotted turns net/ipv4/conf/eth0.5/forwarding into its form with dots, in which a slash stands for a dot of a name.
func dotted(key string) string {
	i := strings.IndexAny(key, "./")
	if i < 0 || key[i] == '.' {
		return key
	}
	return exchange(key)
}

// SysctlFile is the path below /proc/sys of the setting key, as parseSysctl gives it.
func SysctlFile(key string) string { return exchange(key) }

// exchange swaps dots and slashes.
func exchange(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, s)
}

func (b *builder) checkSysctl(key string) error {
	if strings.HasPrefix(key, "net.") {
		if !b.has(specs.NetworkNamespace) {
			return fmt.Errorf("--sysctl %s: the container has no network of its own (--network %s)", key, b.facts.Network)
		}
		return nil
	}
	if !b.has(specs.IPCNamespace) {
		return fmt.Errorf("--sysctl %s: the container has no ipc namespace of its own (--ipc %s)", key, b.opts.IPC)
	}
	return nil
}
