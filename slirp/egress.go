package slirp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Egress says what a container may reach outside its networks. What is not
// allowed is denied; a nil *Egress allows everything.
type Egress struct {
	Allow []EgressRule `json:"allow,omitempty"`
}

// EgressRule is one thing that may be reached. With Host and Prefix both must
// be right: the host by its name, with an address in Prefix.
type EgressRule struct {
	// Host is a name in lower case, or "*.example.org" for the names below one;
	// empty for any.
	Host string `json:"host,omitempty"`
	// Prefix holds IPv4 addresses; not valid for any.
	Prefix netip.Prefix `json:"prefix,omitzero"`
	// Port of TCP and UDP; 0 for any port and any protocol.
	Port uint16 `json:"port,omitempty"`
}

// ParseEgress reads the values of `--egress`: "allow=HOST[:PORT],CIDR[:PORT],..."
// or "deny" for nothing at all. Several add up. Without any it is nil.
func ParseEgress(list []string) (*Egress, error) {
	if len(list) == 0 {
		return nil, nil
	}
	e := &Egress{}
	for _, text := range list {
		items, isAllow := strings.CutPrefix(text, "allow=")
		if text == "deny" {
			continue
		}
		if !isAllow {
			return nil, fmt.Errorf("%w %q: write allow=HOST[:PORT],CIDR[:PORT],... or deny", ErrEgress, text)
		}
		for item := range strings.SplitSeq(items, ",") {
			rule, err := parseEgressRule(item)
			if err != nil {
				return nil, fmt.Errorf("%w %q: %w", ErrEgress, text, err)
			}
			e.Allow = append(e.Allow, rule)
		}
	}
	return e, nil
}

func parseEgressRule(item string) (rule EgressRule, err error) {
	what, port, found := strings.Cut(item, ":")
	if strings.Contains(port, ":") || strings.HasPrefix(item, "[") {
		return rule, fmt.Errorf("%s: IPv6 does not leave through the uplink: name an IPv4 address or a host", item)
	}
	if found {
		if rule.Port, err = parsePort("port", port); err != nil {
			return rule, fmt.Errorf("%s: %w", item, err)
		}
	}
	if ip, err := netip.ParseAddr(what); err == nil {
		rule.Prefix = netip.PrefixFrom(ip, ip.BitLen())
		return rule, nil
	}
	if strings.Contains(what, "/") {
		prefix, err := netip.ParsePrefix(what)
		if err != nil || !prefix.Addr().Is4() {
			return rule, fmt.Errorf("%s is not a range of IPv4 addresses like 10.0.0.0/8", what)
		}
		rule.Prefix = prefix.Masked()
		return rule, nil
	}
	rule.Host = strings.ToLower(strings.TrimSuffix(what, "."))
	return rule, checkHost(rule.Host)
}

// checkHost refuses what no name server can be asked for.
func checkHost(host string) error {
	labels := strings.Split(strings.TrimPrefix(host, "*."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("%q is neither a host name, an address nor a range like 10.0.0.0/8", host)
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil || len(host) > 253 {
		return fmt.Errorf("%q is neither a host name, an address nor a range like 10.0.0.0/8", host)
	}
	return nil
}

// For returns the rules that name a host; name may end in a dot, in any case.
func (e *Egress) For(name string) (rules []EgressRule) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, r := range e.Allow {
		if r.Host != "" && covers(r.Host, name) {
			rules = append(rules, r)
		}
	}
	return rules
}

// covers reports whether host, which may be a "*.example.org", means name,
// which may be one too.
func covers(host, name string) bool {
	below, isPattern := strings.CutPrefix(host, "*")
	return host == name || isPattern && strings.HasSuffix(name, below)
}

// And is what both e and other allow.
func (e *Egress) And(other *Egress) *Egress {
	if e == nil || other == nil {
		if e == nil {
			return other
		}
		return e
	}
	both := &Egress{}
	for _, a := range e.Allow {
		for _, b := range other.Allow {
			if r, ok := a.and(b); ok {
				both.Allow = append(both.Allow, r)
			}
		}
	}
	return both
}

func (r EgressRule) and(other EgressRule) (EgressRule, bool) {
	switch {
	case r.Host == "" || other.Host != "" && covers(r.Host, other.Host):
		r.Host = other.Host
	case other.Host != "" && !covers(other.Host, r.Host):
		return r, false
	}
	switch {
	case !r.Prefix.IsValid() || other.Prefix.IsValid() && r.Prefix.Bits() < other.Prefix.Bits() && r.Prefix.Overlaps(other.Prefix):
		r.Prefix = other.Prefix
	case other.Prefix.IsValid() && !r.Prefix.Overlaps(other.Prefix):
		return r, false
	}
	if r.Port == 0 {
		r.Port = other.Port
	}
	return r, other.Port == 0 || other.Port == r.Port
}

// Denial is something that a container tried and its Egress does not allow.
type Denial struct {
	ID, Name string // of the container
	// Destination is "192.0.2.7:443/tcp", or "192.0.2.7/icmp", or the name that
	// was asked for.
	Destination string
}
