package runner

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/slirp"
)

// extraHosts are the lines that --add-host adds to /etc/hosts.
func (m *monitor) extraHosts() ([]slirp.HostEntry, error) {
	var list []slirp.HostEntry
	for _, h := range m.facts.Hosts {
		ip := h.IP
		if !ip.IsValid() {
			ip = slirp.HostAddress()
		}
		if !ip.IsValid() {
			return nil, failf("--add-host %s: this machine has no address that a container can reach: connect it to a network", h.Name)
		}
		list = append(list, slirp.HostEntry{IP: ip, Names: []string{h.Name}})
	}
	return list, nil
}

// resolver changes c as --dns, --dns-option and --dns-search say.
func (m *monitor) resolver(c slirp.ResolvConf) slirp.ResolvConf {
	r := m.facts.Resolver
	if len(r.Servers) > 0 {
		c.Nameservers = r.Servers
	}
	if len(r.Options) > 0 {
		c.Options = r.Options
	}
	if slices.Contains(r.Search, ".") {
		c.Search = nil
	} else if len(r.Search) > 0 {
		c.Search = r.Search
	}
	return c
}

// hostFiles are the host's own files with the person's changes.
func (m *monitor) hostFiles(extra []slirp.HostEntry) (hosts, resolv []byte) {
	hosts, _ = os.ReadFile("/etc/hosts")
	resolv, _ = os.ReadFile("/etc/resolv.conf")
	if len(hosts) > 0 && !bytes.HasSuffix(hosts, []byte("\n")) {
		hosts = append(hosts, '\n')
	}
	for _, e := range extra {
		hosts = fmt.Appendf(hosts, "%s\t%s\n", e.IP, strings.Join(e.Names, " "))
	}
	r := m.facts.Resolver
	if len(r.Servers)+len(r.Options)+len(r.Search) > 0 {
		resolv = m.resolver(slirp.ParseResolvConf(resolv)).Bytes()
	}
	return hosts, resolv
}

// publish are the ports to publish: those of -p and, with -P, on a free port of
// the host each, those that image and person expose and -p does not name.
func (m *monitor) publish() []slirp.PortMapping {
	list := slices.Clone(m.Ports)
	if !m.Options.PublishAll {
		return list
	}
	for port := range m.Config.ExposedPorts {
		number, protocol, found := strings.Cut(port, "/")
		if !found {
			protocol = "tcp"
		}
		n, err := strconv.ParseUint(number, 10, 16)
		asked := func(p slirp.PortMapping) bool { return uint64(p.Container) == n && p.Protocol == protocol }
		if err != nil || n == 0 || slices.ContainsFunc(m.Ports, asked) {
			continue // what an image says need not make sense
		}
		if protocol != "tcp" && protocol != "udp" {
			m.notes = append(m.notes, fmt.Sprintf("port %s is not published: only tcp and udp can be forwarded without root", port))
			continue
		}
		list = append(list, slirp.PortMapping{HostIP: m.Options.PublishAddress, Container: uint16(n), Protocol: protocol})
	}
	return list
}
