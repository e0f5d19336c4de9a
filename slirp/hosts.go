package slirp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// HostEntry is one line of /etc/hosts.
type HostEntry struct {
	IP    netip.Addr
	Names []string
}

// hostNames are the names under which a container reaches the host's services.
var hostNames = []string{"host.docker.internal", "host.containers.internal"}

// IsHostName reports whether name, in lower case, is one for the host.
func IsHostName(name string) bool { return slices.Contains(hostNames, name) }

// Hosts writes a container's /etc/hosts: the loopback entries, extra, the host
// by its two usual names if host is valid, and own, the container itself by its
// addresses.
func Hosts(own []HostEntry, host netip.Addr, extra []HostEntry) []byte {
	entries := []HostEntry{
		{netip.MustParseAddr("127.0.0.1"), []string{"localhost"}},
		{netip.IPv6Loopback(), []string{"localhost", "ip6-localhost", "ip6-loopback"}},
		{netip.MustParseAddr("fe00::"), []string{"ip6-localnet"}},
		{netip.MustParseAddr("ff00::"), []string{"ip6-mcastprefix"}},
		{netip.MustParseAddr("ff02::1"), []string{"ip6-allnodes"}},
		{netip.MustParseAddr("ff02::2"), []string{"ip6-allrouters"}},
	}
	entries = append(entries, extra...)
	entries = append(append(entries, HostEntry{host, hostNames}), own...)
	var b bytes.Buffer
	for _, e := range entries {
		b.WriteString(e.String())
	}
	return b.Bytes()
}

// String is the entry as a line, "" for one without an address or a name.
func (e HostEntry) String() string {
	if !e.IP.IsValid() || len(e.Names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s\t%s\n", e.IP, strings.Join(e.Names, " "))
}

// HostAddress returns an address of the host that containers can reach through
// the uplink: the one the host itself would use towards the world. It is not
// valid on a host that has but loopback addresses. The caller is in the host's
// network namespace. Nothing is sent.
func HostAddress() netip.Addr {
	// 192.0.2.0/24 is set aside for documentation; connecting a datagram
	// socket only asks the routing table.
	if conn, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		defer conn.Close()
		if ip := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(); !ip.IsLoopback() {
			return ip
		}
	}
	return firstGlobalAddress()
}

func firstGlobalAddress() netip.Addr {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}
