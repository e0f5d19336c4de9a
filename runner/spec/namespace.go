package spec

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// networkDefault is the network of a container that asks for none by name.
const networkDefault = "bridge"

// containerMode is how messages name the mode that joins another container's namespace.
const containerMode = "container:NAME"

// setNamespaces lists the namespaces that are made for the container. Those of the host are left out, those of
// another container are in Facts.Join.
func (b *builder) setNamespaces() error {
	b.facts.Network = b.opts.Network
	if b.facts.Network == "" || b.facts.Network == "default" {
		b.facts.Network = networkDefault
	}
	if err := b.setUserNamespace(); err != nil {
		return err
	}
	b.add(specs.MountNamespace)
	if err := b.addNetwork(); err != nil {
		return err
	}
	for _, n := range []struct {
		kind       specs.LinuxNamespaceType
		flag, mode string
		choices    []string
	}{
		{specs.PIDNamespace, "--pid", b.opts.PID, []string{"host", "private", containerMode}},
		{specs.IPCNamespace, "--ipc", b.opts.IPC, []string{"host", "private", "shareable", "none", containerMode}},
		{specs.UTSNamespace, "--uts", b.opts.UTS, []string{"host", "private", containerMode}},
		{specs.CgroupNamespace, "--cgroupns", b.opts.CgroupNS, []string{"host", "private"}},
	} {
		if err := b.addMode(n.kind, n.flag, n.mode, n.choices); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) add(kind specs.LinuxNamespaceType) {
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
}

func (b *builder) addNetwork() error {
	mode := b.facts.Network
	id, joined := strings.CutPrefix(mode, "container:")
	switch {
	case mode == "host":
	case joined:
		return b.join(specs.NetworkNamespace, "--network", id)
	default:
		b.add(specs.NetworkNamespace)
	}
	return nil
}

func (b *builder) addMode(kind specs.LinuxNamespaceType, flag, mode string, choices []string) error {
	id, joined := strings.CutPrefix(mode, "container:")
	switch {
	case mode == "host":
	case joined && slices.Contains(choices, containerMode):
		return b.join(kind, flag, id)
	case mode == "" || slices.Contains(choices, mode) && mode != containerMode:
		b.add(kind)
	default:
		last := len(choices) - 1
		return fmt.Errorf("%s %q: choose %s or %s", flag, mode, strings.Join(choices[:last], ", "), choices[last])
	}
	return nil
}

func (b *builder) join(kind specs.LinuxNamespaceType, flag, id string) error {
	if id == "" {
		return fmt.Errorf("%s container: needs the name or id of a container after the colon", flag)
	}
	if b.facts.Join == nil {
		b.facts.Join = map[specs.LinuxNamespaceType]string{}
	}
	b.facts.Join[kind] = id
	return nil
}

// has is whether the container gets a namespace of its own of that kind.
func (b *builder) has(kind specs.LinuxNamespaceType) bool {
	for _, n := range b.spec.Linux.Namespaces {
		if n.Type == kind {
			return true
		}
	}
	return false
}

// hostNetwork is whether the container sees the host's network.
func (b *builder) hostNetwork() bool { return b.facts.Network == "host" }

// setHostname names the machine the container believes to be.
func (b *builder) setHostname() error {
	if !b.has(specs.UTSNamespace) {
		if b.opts.Hostname != "" || b.opts.Domainname != "" {
			return fmt.Errorf("--hostname and --domainname cannot go with --uts %s: its name is not this container's", b.opts.UTS)
		}
		return nil
	}
	if err := checkHostname("--hostname", b.opts.Hostname); err != nil {
		return err
	}
	if err := checkHostname("--domainname", b.opts.Domainname); err != nil {
		return err
	}
	b.spec.Hostname = b.hostname()
	b.spec.Domainname = b.opts.Domainname
	return nil
}

func checkHostname(flag, name string) error {
	if len(name) > 64 || strings.ContainsAny(name, "\x00\n") { // 64 is the kernel's __NEW_UTS_LEN
		return fmt.Errorf("%s %q: at most 64 characters on one line", flag, name)
	}
	return nil
}

func (b *builder) hostname() string {
	switch {
	case b.opts.Hostname != "":
		return b.opts.Hostname
	case b.hostNetwork() || !b.has(specs.UTSNamespace):
		return b.host.Hostname
	}
	return b.opts.ID[:min(12, len(b.opts.ID))]
}
