package spec

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// capabilityNames are all of them by number, without CAP_: capabilities(7), linux/capability.h.
func capabilityNames() []string {
	return []string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	}
}

// defaultCapabilities are the fourteen that Docker leaves to a container.
func defaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
		"CAP_AUDIT_WRITE",
	}
}

func (b *builder) setCapabilities() error {
	all := allCapabilities(b.host.LastCap)
	caps, err := Capabilities(all, b.opts.CapAdd, b.opts.CapDrop, b.opts.Privileged)
	if err != nil {
		return err
	}
	c := &specs.LinuxCapabilities{Bounding: caps}
	if b.user.UID == 0 { // execve takes them from any other user anyway
		c.Effective, c.Permitted = caps, caps
	}
	b.spec.Process.Capabilities = c
	return nil
}

// allCapabilities are those the kernel knows; last is the highest number, 0 for every one known here.
func allCapabilities(last int) []string {
	names := capabilityNames()
	if last > 0 && last+1 < len(names) {
		names = names[:last+1]
	}
	for i, n := range names {
		names[i] = "CAP_" + n
	}
	return names
}

// Capabilities combines --cap-add, --cap-drop and --privileged. all are those the kernel knows. ALL stands for
// all of them; a capability named alone wins over ALL of the other list, and --cap-drop wins over --cap-add.
func Capabilities(all, add, drop []string, privileged bool) ([]string, error) {
	adds, addAll, err := parseCaps("--cap-add", add, all)
	if err != nil {
		return nil, err
	}
	drops, dropAll, err := parseCaps("--cap-drop", drop, all)
	if err != nil {
		return nil, err
	}
	base := defaultCapabilities()
	switch {
	case privileged || addAll:
		base = all
	case dropAll:
		base = nil
	}
	var caps []string
	for _, c := range append(slices.Clone(base), adds...) {
		if !slices.Contains(drops, c) && !slices.Contains(caps, c) && slices.Contains(all, c) {
			caps = append(caps, c)
		}
	}
	return caps, nil
}

func parseCaps(flag string, names, all []string) (caps []string, everything bool, err error) {
	for _, name := range names {
		c := strings.ToUpper(strings.TrimSpace(name))
		if c == "ALL" || c == "CAP_ALL" {
			everything = true
			continue
		}
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if !slices.Contains(all, c) {
			return nil, false, fmt.Errorf("%s %s: no such capability on this kernel (see capabilities(7))", flag, name)
		}
		caps = append(caps, c)
	}
	return caps, everything, nil
}
