package slirp

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// PortMapping is one published port.
type PortMapping struct {
	// HostIP to listen on. The zero value is every address, IPv4 and IPv6.
	HostIP netip.Addr `json:"hostIP,omitzero"`
	// Host port; 0 asks for a free one.
	Host uint16 `json:"host"`
	// HostEnd, when not 0, lets any free port from Host to HostEnd do.
	HostEnd uint16 `json:"hostEnd,omitempty"`
	// Container port, never 0.
	Container uint16 `json:"container"`
	// Protocol is "tcp" or "udp".
	Protocol string `json:"protocol"`
}

// String prints the mapping as `ps` and `port` show it.
func (p PortMapping) String() string {
	ip := "0.0.0.0"
	if p.HostIP.IsValid() {
		ip = p.HostIP.String()
	}
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return fmt.Sprintf("%s:%d->%d/%s", ip, p.Host, p.Container, p.Protocol)
}

// ParsePorts reads the argument of `-p`, with Docker's grammar:
//
//	[[address:][host port[-last]]:]container port[-last][/tcp|/udp]
//
// IPv6 addresses stand in brackets. Ranges must be equally long, except that
// a host range may offer several ports to a single container port. Errors are
// ErrPortSpec and name the part that is wrong.
func ParsePorts(spec string) ([]PortMapping, error) {
	ports, err := parsePorts(spec)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrPortSpec, spec, err)
	}
	return ports, nil
}

func parsePorts(spec string) ([]PortMapping, error) {
	rest, protocol, err := cutProtocol(spec)
	if err != nil {
		return nil, err
	}
	rest, containerText := cutLast(rest)
	address, hostText := cutLast(rest)
	if strings.HasSuffix(rest, "]") {
		return nil, fmt.Errorf("no host port after %s: %s::%s takes a free one", rest, rest, containerText)
	}
	container, err := parseRange("container port", containerText)
	if err != nil {
		return nil, err
	}
	host, err := parseHost(hostText)
	if err != nil {
		return nil, err
	}
	ip, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	return pair(host, container, PortMapping{HostIP: ip, Protocol: protocol})
}

func cutProtocol(spec string) (rest, protocol string, err error) {
	rest, protocol, found := strings.Cut(spec, "/")
	if !found {
		return rest, "tcp", nil
	}
	switch protocol = strings.ToLower(protocol); protocol {
	case "tcp", "udp":
		return rest, protocol, nil
	case "sctp":
		return "", "", fmt.Errorf("protocol sctp cannot be forwarded without root: use tcp or udp")
	}
	return "", "", fmt.Errorf("protocol %q is neither tcp nor udp", protocol)
}

// cutLast splits at the last colon; without one, all of it is the second part.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, ':')
	return s[:max(i, 0)], s[i+1:]
}

func parseAddress(text string) (netip.Addr, error) {
	bare, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		var closed bool
		if bare, closed = strings.CutSuffix(bare, "]"); !closed {
			return netip.Addr{}, fmt.Errorf("%q lacks its closing bracket", text)
		}
	}
	if bare == "" && !bracketed {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(bare)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", text)
	}
	if bracketed != ip.Is6() {
		return netip.Addr{}, fmt.Errorf("%q: IPv6 addresses, and only they, stand in brackets", text)
	}
	return ip, nil
}

// portRange is first to last, both included. The zero value is "any port".
type portRange struct{ first, last uint16 }

func (r portRange) size() int { return int(r.last) - int(r.first) + 1 }

// parseHost differs from the container's side in that it may be left out, and
// that 0 means a free port.
func parseHost(text string) (portRange, error) {
	if text == "" || text == "0" {
		return portRange{}, nil
	}
	return parseRange("host port", text)
}

func parseRange(what, text string) (portRange, error) {
	firstText, lastText, isRange := strings.Cut(text, "-")
	first, err := parsePort(what, firstText)
	if err != nil {
		return portRange{}, err
	}
	if !isRange {
		return portRange{first, first}, nil
	}
	last, err := parsePort(what, lastText)
	if err != nil {
		return portRange{}, err
	}
	if last < first {
		return portRange{}, fmt.Errorf("%s range %s ends before it begins", what, text)
	}
	return portRange{first, last}, nil
}

func parsePort(what, text string) (uint16, error) {
	if text == "" {
		return 0, fmt.Errorf("no %s given", what)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, fmt.Errorf("%s %q is not a number from 1 to 65535", what, text)
	}
	return uint16(n), nil
}

// pair lays the ranges side by side. base carries what all mappings share.
func pair(host, container portRange, base PortMapping) ([]PortMapping, error) {
	n := container.size()
	anyPort := host == portRange{}
	if n == 1 && !anyPort && host.size() > 1 {
		base.Host, base.HostEnd, base.Container = host.first, host.last, container.first
		return []PortMapping{base}, nil
	}
	if !anyPort && host.size() != n {
		return nil, fmt.Errorf("%d host ports cannot be paired with %d container ports", host.size(), n)
	}
	ports := make([]PortMapping, n)
	for i := range ports {
		ports[i] = base
		ports[i].Container = container.first + uint16(i)
		if !anyPort {
			ports[i].Host = host.first + uint16(i)
		}
	}
	return ports, nil
}

// ComparePorts orders mappings as `ps` prints them: by container port,
// protocol, host address and host port.
func ComparePorts(a, b PortMapping) int {
	return cmp.Or(
		cmp.Compare(a.Container, b.Container),
		cmp.Compare(a.Protocol, b.Protocol),
		a.HostIP.Compare(b.HostIP),
		cmp.Compare(a.Host, b.Host),
	)
}
