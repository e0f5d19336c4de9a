package netd

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/miekg/dns"

	"github.com/rl-project/rl/slirp"
)

// permits reports whether the container with address client may ask about a
// name outside its networks. The answer to any other question could carry out
// what the policy keeps in.
func (e *egress) permits(client netip.Addr, query *dns.Msg) bool {
	e.mu.Lock()
	p, left := e.policies[client], e.left[client]
	e.mu.Unlock()
	if p == nil {
		return !left
	}
	if len(query.Question) == 1 && len(p.For(query.Question[0].Name)) > 0 {
		return true
	}
	for _, q := range query.Question {
		e.denied(slirp.Denial{ID: p.id, Name: p.name, Destination: strings.TrimSuffix(q.Name, ".")})
	}
	return false
}

// learn lets the container reach the addresses in an answer before it is told
// them. By the question that was asked: an answer may repeat another.
func (e *egress) learn(client netip.Addr, query, answer *dns.Msg) error {
	e.mu.Lock()
	defer e.mu.Unlock() // so that the policy does not go meanwhile
	p := e.policies[client]
	if p == nil || len(query.Question) != 1 {
		return nil
	}
	var whole, ports []nftables.SetElement
	for _, r := range p.For(query.Question[0].Name) {
		for ip, ttl := range answerAddresses(answer) {
			if r.Prefix.IsValid() && !r.Prefix.Contains(ip) {
				continue
			}
			key := append(client.AsSlice(), ip.AsSlice()...)
			if r.Port == 0 {
				whole = append(whole, nftables.SetElement{Key: key, Timeout: ttl})
			} else {
				ports = append(ports, nftables.SetElement{Key: append(key, append(bigEndian(r.Port), 0, 0)...), Timeout: ttl})
			}
		}
	}
	if len(whole)+len(ports) == 0 {
		return nil
	}
	return e.ns.nftables(func(conn *nftables.Conn) error {
		return errors.Join(renew(conn, &nameSet, whole), renew(conn, &namePortSet, ports))
	})
}

// renew adds elements with a new timeout: adding one that is there leaves it
// the old one, so it is added, deleted and added again.
func renew(conn *nftables.Conn, set *nftables.Set, elements []nftables.SetElement) error {
	if len(elements) == 0 {
		return nil
	}
	return errors.Join(conn.SetAddElements(set, elements), conn.SetDeleteElements(set, elements), conn.SetAddElements(set, elements))
}

// answerAddresses are the IPv4 addresses of an answer with how long they are good.
func answerAddresses(answer *dns.Msg) map[netip.Addr]time.Duration {
	found := map[netip.Addr]time.Duration{}
	for _, record := range answer.Answer {
		if a, ok := record.(*dns.A); ok {
			if ip, ok := netip.AddrFromSlice(a.A.To4()); ok {
				ttl := time.Duration(a.Hdr.Ttl) * time.Second
				found[ip] = min(max(ttl, shortestName, found[ip]), longestName)
			}
		}
	}
	return found
}
