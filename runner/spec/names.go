package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// hostGateway is the word of --add-host for the host's own address.
const hostGateway = "host-gateway"

// ExtraHost is one line of --add-host.
type ExtraHost struct {
	Name string `json:"name"`
	// IP is not valid for the host's own address, which is known only when the container starts.
	IP netip.Addr `json:"ip,omitzero"`
}

// Resolver is what --dns, --dns-option and --dns-search put in place of the usual contents of resolv.conf.
type Resolver struct {
	Servers []netip.Addr `json:"servers,omitempty"`
	Options []string     `json:"options,omitempty"`
	// Search is the list of domains; one that is "." empties it.
	Search []string `json:"search,omitempty"`
}

// setNames reads --add-host, --dns, --dns-option, --dns-search and --expose.
func (b *builder) setNames() error {
	if err := b.checkJoinedNetwork(); err != nil {
		return err
	}
	for _, s := range b.opts.AddHosts {
		h, err := ParseExtraHost(s)
		if err != nil {
			return err
		}
		b.facts.Hosts = append(b.facts.Hosts, h)
	}
	for _, s := range b.opts.DNS {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("--dns %q: give the address of a name server, such as 192.168.1.1", s)
		}
		b.facts.Resolver.Servers = append(b.facts.Resolver.Servers, ip)
	}
	var err error
	if b.facts.Resolver.Options, err = words("--dns-option", b.opts.DNSOptions); err != nil {
		return err
	}
	if b.facts.Resolver.Search, err = words("--dns-search", b.opts.DNSSearch); err != nil {
		return err
	}
	_, err = ParseExposed(b.opts.Expose)
	return err
}

// checkJoinedNetwork refuses what belongs to the network that another container has already.
func (b *builder) checkJoinedNetwork() error {
	if !strings.HasPrefix(b.facts.Network, "container:") {
		return nil
	}
	for _, f := range []struct {
		flag  string
		given bool
	}{
		{"--add-host", len(b.opts.AddHosts) > 0}, {"--dns", len(b.opts.DNS) > 0}, {"--dns-option", len(b.opts.DNSOptions) > 0},
		{"--dns-search", len(b.opts.DNSSearch) > 0}, {"--expose", len(b.opts.Expose) > 0}, {"--publish-all", b.opts.PublishAll},
	} {
		if f.given {
			return fmt.Errorf("%s cannot go with --network container:NAME: it is up to that container, whose network this one shares", f.flag)
		}
	}
	return nil
}

// words takes over what becomes part of one line of resolv.conf.
func words(flag string, list []string) ([]string, error) {
	for _, s := range list {
		if s == "" || strings.ContainsAny(s, " \t\n\r\x00#;") {
			return nil, fmt.Errorf("%s %q: give one word each time", flag, s)
		}
	}
	return list, nil
}

// ParseExtraHost reads --add-host: NAME:IP or NAME=IP, an IPv6 address with or without brackets, or
// NAME:host-gateway for the host.
func ParseExtraHost(s string) (ExtraHost, error) {
	name, address, found := strings.Cut(s, "=")
	if !found {
		name, address, found = strings.Cut(s, ":")
	}
	if !found || name == "" || strings.ContainsAny(name, " \t\n\r\x00#:") {
		return ExtraHost{}, fmt.Errorf("--add-host %q: write NAME:IP, or NAME:%s", s, hostGateway)
	}
	h := ExtraHost{Name: name}
	if address == hostGateway {
		return h, nil
	}
	if inner, ok := strings.CutPrefix(address, "["); ok {
		address, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return h, fmt.Errorf("--add-host %q: the bracket is not closed", s)
		}
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return h, fmt.Errorf("--add-host %q: %q is not an IP address", s, address)
	}
	h.IP = ip
	return h, nil
}

// ParseExposed reads --expose, PORT[-LAST][/PROTOCOL] each, into single ports such as "80/tcp".
func ParseExposed(list []string) ([]string, error) {
	var ports []string
	for _, s := range list {
		numbers, protocol, found := strings.Cut(s, "/")
		if !found {
			protocol = "tcp"
		}
		protocol = strings.ToLower(protocol)
		first, last, isRange := strings.Cut(numbers, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		known := protocol == "tcp" || protocol == "udp" || protocol == "sctp"
		if err1 != nil || err2 != nil || from == 0 || from > to || !known {
			return nil, fmt.Errorf("--expose %q: write PORT or FIRST-LAST, with /tcp, /udp or /sctp if need be", s)
		}
		for port := from; port <= to; port++ {
			ports = append(ports, strconv.FormatUint(port, 10)+"/"+protocol)
		}
	}
	return ports, nil
}
