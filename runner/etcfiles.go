package runner

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/rl-project/rl/slirp"
)

// networkFiles are what the container's /etc files say of its networks.
func (m *monitor) networkFiles(extra []slirp.HostEntry) (hosts, resolv []byte, err error) {
	linked, err := m.linkedHosts()
	if err != nil {
		return nil, nil, err
	}
	extra = append(extra, linked...)
	if len(m.State.Attachments) == 0 {
		return slirp.Hosts(nil, netip.Addr{}, extra), m.resolver(slirp.ResolvConf{}).Bytes(), nil
	}
	var own []slirp.HostEntry
	var host netip.Addr
	for _, a := range m.State.Attachments {
		own = append(own, m.ownHosts(a)...)
		if !a.Internal && !host.IsValid() {
			host = slirp.HostAddress()
		}
	}
	text, _ := os.ReadFile("/etc/resolv.conf") // without it there is nothing to take over
	dns := m.State.Attachments[0].DNS
	c := m.resolver(slirp.ParseResolvConf(text).For(dns))
	if m.namesResolve() {
		c.Nameservers = []netip.Addr{dns} // which asks those of --dns
	}
	return slirp.Hosts(own, host, extra), c.Bytes(), nil
}

// namesResolve is whether the container is on a user-defined network, whose name
// server it needs to find others.
func (m *monitor) namesResolve() bool {
	return slices.ContainsFunc(m.State.Attachments, func(a slirp.Attachment) bool { return a.NetworkID != "" })
}

// ownHosts are the lines of /etc/hosts about the container on one network: its name
// with its domain first, which is what `hostname -f` takes, and without.
func (m *monitor) ownHosts(a slirp.Attachment) []slirp.HostEntry {
	names := []string{hostnameOf(m.Container)}
	if m.Spec.Domainname != "" {
		names[0] += "." + m.Spec.Domainname
	}
	if short, _, domain := strings.Cut(names[0], "."); domain {
		names = append(names, short)
	}
	return []slirp.HostEntry{{IP: a.IPAddress, Names: names}, {IP: a.IPv6Address, Names: names}}
}

// linkedHosts are the lines about containers that --link names on the default
// network, which has no name server for them.
func (m *monitor) linkedHosts() ([]slirp.HostEntry, error) {
	var list []slirp.HostEntry
	for _, w := range m.Networks {
		if w.Network != slirp.DefaultNetwork {
			continue
		}
		for alias, id := range w.Links {
			v, err := m.store.Load(id)
			if err != nil {
				return nil, failf("--link %s: container %.12s is not there any more", alias, id)
			}
			at := slices.IndexFunc(v.State.Attachments, func(a slirp.Attachment) bool { return a.NetworkID == "" })
			if !v.State.live() || at < 0 {
				return nil, failf("--link %s: container %s does not run on the default network: start it first", alias, v.Name)
			}
			names := slices.Compact([]string{alias, v.Name, id[:12]})
			list = append(list, slirp.HostEntry{IP: v.State.Attachments[at].IPAddress, Names: names})
		}
	}
	return list, nil
}

// noteConnected adds to the container's files what it has got while it runs,
// and leaves what it has written there itself.
func (m *monitor) noteConnected(a slirp.Attachment) error {
	err := m.editFile("hosts", func(text []byte) []byte {
		for _, e := range m.ownHosts(a) {
			text = append(text, e.String()...)
		}
		return text
	})
	if err != nil {
		return err
	}
	return m.editResolver(netip.Addr{})
}

// noteDisconnected takes out what noteConnected or the start has put there.
func (m *monitor) noteDisconnected(a slirp.Attachment) error {
	err := m.editFile("hosts", func(text []byte) []byte {
		return keepLines(text, func(line string) bool {
			return !slices.ContainsFunc(m.ownHosts(a), func(e slirp.HostEntry) bool { return e.String() == line })
		})
	})
	if err != nil {
		return err
	}
	return m.editResolver(a.DNS)
}

// editResolver makes the present first network's name server the container's,
// where it was gone, which is not valid if it had none.
func (m *monitor) editResolver(gone netip.Addr) error {
	now := m.attachments()
	return m.editFile("resolv.conf", func(text []byte) []byte {
		had := slirp.ParseResolvConf(text).Nameservers
		if gone.IsValid() {
			line := fmt.Sprintf("nameserver %s\n", gone)
			text = keepLines(text, func(l string) bool { return l != line })
			had = slices.DeleteFunc(had, func(ip netip.Addr) bool { return ip == gone })
		}
		if len(had) == 0 && len(now) > 0 {
			text = fmt.Appendf(text, "nameserver %s\n", now[0].DNS)
		}
		return text
	})
}

func keepLines(text []byte, keep func(string) bool) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if keep(line) {
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

// editFile changes a file that is mounted in the container, and so is written in
// place.
func (m *monitor) editFile(name string, change func([]byte) []byte) error {
	path := m.store.file(m.ID, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	if err := os.WriteFile(path, change(text), 0o644); err != nil {
		return fmt.Errorf("write the container's /etc/%s: %w", name, err)
	}
	return nil
}
