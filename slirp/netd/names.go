package netd

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rl-project/rl/slirp"
)

// nameTTL is how long an answer about a container may be kept, in seconds. Docker
// says 600, in which a proxy that goes by it does not find a container that came
// back with another address.
const nameTTL = 5

// outlook is what an asker may know: the networks that its container is on.
type outlook struct {
	bridges []*bridge
	links   map[string]string // names of its own for others
	out     bool              // it has a way out, and may ask about the world
	// resolvers are its own for that; none stands for the host's
	resolvers []netip.Addr
}

// outlookOf returns that of a client of this bridge's name server. An address
// that is nobody's sees this bridge only.
func (b *bridge) outlookOf(client netip.Addr) outlook {
	b.router.mu.Lock()
	defer b.router.mu.Unlock()
	self := b.endpoints[client]
	if self == nil {
		return outlook{bridges: []*bridge{b}, out: !b.spec.Internal}
	}
	o := outlook{links: map[string]string{}, resolvers: self.endpoint.Resolvers}
	for _, a := range b.router.containers[self.endpoint.ID] {
		o.bridges = append(o.bridges, a.bridge)
		o.out = o.out || !a.spec.Internal
		for alias, name := range a.endpoint.Links {
			o.links[strings.ToLower(alias)] = strings.ToLower(name)
		}
	}
	return o
}

// answer answers a query about containers or the host; nil when it is about
// something else.
func (o outlook) answer(query *dns.Msg) *dns.Msg {
	if len(query.Question) != 1 || query.Question[0].Qclass != dns.ClassINET {
		return nil
	}
	q := query.Question[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	if q.Qtype == dns.TypePTR {
		return o.answerReverse(query, name)
	}
	found := o.addresses(name)
	if len(found) == 0 && o.out && slirp.IsHostName(name) {
		found = append(found, slirp.HostAddress())
	}
	if len(found) == 0 {
		return nil
	}
	answer := reply(query)
	for _, ip := range found {
		if record := record(q, ip); record != nil {
			answer.Answer = append(answer.Answer, record)
		}
	}
	return answer
}

func reply(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(query)
	m.RecursionAvailable = true
	return m
}

// record is the one about ip that q asks for, nil if it asks for others.
func record(q dns.Question, ip netip.Addr) dns.RR {
	wants := func(kind uint16) bool { return q.Qtype == kind || q.Qtype == dns.TypeANY }
	switch {
	case ip.Is4() && wants(dns.TypeA):
		return &dns.A{Hdr: header(q.Name, dns.TypeA), A: ip.AsSlice()}
	case ip.Is6() && wants(dns.TypeAAAA):
		return &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA), AAAA: ip.AsSlice()}
	}
	return nil
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: nameTTL}
}

// answerReverse answers with the container's name and that of the network, as
// Docker does, so that it shows whose network it is.
func (o outlook) answerReverse(query *dns.Msg, name string) *dns.Msg {
	ip, ok := reverseAddress(name)
	if !ok {
		return nil
	}
	for _, b := range o.bridges {
		if full := b.nameOf(ip); full != "" {
			m := reply(query)
			m.Answer = []dns.RR{&dns.PTR{Hdr: header(query.Question[0].Name, dns.TypePTR), Ptr: dns.Fqdn(full)}}
			return m
		}
	}
	return nil
}

// reverseAddress reads a name below in-addr.arpa or ip6.arpa.
func reverseAddress(name string) (netip.Addr, bool) {
	text, four := strings.CutSuffix(name, ".in-addr.arpa")
	if !four {
		var six bool
		if text, six = strings.CutSuffix(name, ".ip6.arpa"); !six {
			return netip.Addr{}, false
		}
	}
	labels := strings.Split(text, ".")
	slices.Reverse(labels)
	if text = strings.Join(labels, "."); !four {
		text = groups(labels)
	}
	ip, err := netip.ParseAddr(text)
	return ip, err == nil && ip.Is4() == four
}

// groups joins digits as an IPv6 address has them.
func groups(digits []string) string {
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && i%4 == 0 {
			b.WriteByte(':')
		}
		b.WriteString(digit)
	}
	return b.String()
}

// nameOf is the full name of the container with an address, "" if there is none.
func (b *bridge) nameOf(ip netip.Addr) string {
	b.router.mu.Lock()
	defer b.router.mu.Unlock()
	for _, a := range b.endpoints {
		if len(a.names) > 0 && (a.result.IPAddress == ip || a.result.IPv6Address == ip) {
			return a.names[0] + "." + strings.ToLower(b.spec.Name)
		}
	}
	return ""
}

// addresses are those of the containers with a name, which may end with a
// network's, in an order that spreads the askers over them.
func (o outlook) addresses(name string) []netip.Addr {
	if target, ok := o.links[name]; ok {
		name = target
	}
	var list []netip.Addr
	for _, b := range o.bridges {
		list = append(list, b.addressesOf(name)...)
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (b *bridge) addressesOf(name string) (list []netip.Addr) {
	short := strings.TrimSuffix(name, "."+strings.ToLower(b.spec.Name))
	b.router.mu.Lock()
	defer b.router.mu.Unlock()
	for _, a := range b.endpoints {
		if slices.Contains(a.names, short) || slices.Contains(a.names, name) {
			if list = append(list, a.result.IPAddress); a.result.IPv6Address.IsValid() {
				list = append(list, a.result.IPv6Address)
			}
		}
	}
	return list
}
