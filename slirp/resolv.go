package slirp

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// ResolvConf is what matters of a resolver configuration, see resolv.conf(5).
type ResolvConf struct {
	Nameservers []netip.Addr
	Search      []string
	Options     []string
}

// Limits that resolvers set themselves; see resolv.conf(5).
const maxSearch = 32

// ParseResolvConf reads a resolver configuration as resolvers do: lines that
// make no sense are passed over, the last "search" or "domain" wins.
func ParseResolvConf(text []byte) ResolvConf {
	var c ResolvConf
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for scanner.Scan() {
		line := scanner.Text()
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if fields := strings.Fields(line); len(fields) > 1 {
			c.take(fields[0], fields[1:])
		}
	}
	return c
}

func (c *ResolvConf) take(keyword string, values []string) {
	switch keyword {
	case "nameserver":
		if ip, err := netip.ParseAddr(values[0]); err == nil {
			c.Nameservers = append(c.Nameservers, ip)
		}
	case "search":
		c.Search = values[:min(len(values), maxSearch)]
	case "domain":
		c.Search = values[:1]
	case "options":
		c.Options = append(c.Options, values...)
	}
}

// Bytes writes the configuration as a resolv.conf.
func (c ResolvConf) Bytes() []byte {
	var b bytes.Buffer
	if len(c.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(c.Search, " "))
	}
	for _, ip := range c.Nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", ip)
	}
	if len(c.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(c.Options, " "))
	}
	return b.Bytes()
}

// For returns the configuration of a container whose name server is dns: the
// host's search list and options, but not its name servers, which the
// container may be unable to reach and which dns follows as they change.
//
// A container on the host's network gets the host's file as it is instead.
func (c ResolvConf) For(dns netip.Addr) ResolvConf {
	c.Nameservers = []netip.Addr{dns}
	return c
}
