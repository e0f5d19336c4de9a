package netd

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/rl-project/rl/slirp"
)

// fakeNetwork is a router with one network and one container on it, without
// anything of the kernel's.
func fakeNetwork() *bridge {
	r := &router{bridges: map[string]*bridge{}, containers: map[string]map[string]*attached{}}
	b := newBridge(r, *testNetwork("1", "10.104.0.0/24", true))
	a := &attached{bridge: b, endpoint: slirp.Endpoint{ID: "aaaa", Name: "web"}}
	a.names = b.namesOf(a.endpoint)
	a.result.IPAddress, a.result.IPv6Address = netip.MustParseAddr("10.104.0.2"), netip.MustParseAddr("fd00::2")
	b.endpoints[a.result.IPAddress] = a
	r.containers["aaaa"] = map[string]*attached{b.spec.ID: a}
	r.bridges[b.spec.ID] = b
	return b
}

func TestReverseAddress(t *testing.T) {
	for name, want := range map[string]string{
		"2.0.104.10.in-addr.arpa": "10.104.0.2", "0.104.10.in-addr.arpa": "", "x.in-addr.arpa": "", "example.org": "", "in-addr.arpa": "",
		"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa": "fd00::2", "2.0.ip6.arpa": "", "1.2.3.4.ip6.arpa": "",
	} {
		if ip, ok := reverseAddress(name); ok != (want != "") || ok && ip.String() != want {
			t.Errorf("%s: %v, %v", name, ip, ok)
		}
	}
}

// What containers send may be anything.
func FuzzAnswer(f *testing.F) {
	for _, q := range []struct {
		name string
		kind uint16
	}{{"web.", dns.TypeA}, {"web.net1.", dns.TypeAAAA}, {"2.0.104.10.in-addr.arpa.", dns.TypePTR}, {".", dns.TypeANY}, {"host.docker.internal.", dns.TypeA}} {
		packet, err := new(dns.Msg).SetQuestion(q.name, q.kind).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
	}
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	b := fakeNetwork()
	f.Fuzz(func(t *testing.T, packet []byte) {
		query := new(dns.Msg)
		if query.Unpack(packet) != nil {
			return // as the server does before it asks us
		}
		for _, client := range []string{"10.104.0.2", "10.104.0.99"} {
			if answer := b.outlookOf(netip.MustParseAddr(client)).answer(query); answer != nil {
				answer.Truncate(datagramSize(query))
				if _, err := answer.Pack(); err != nil && query.Question[0].Name == "web." {
					t.Errorf("%v: %v", query, err)
				}
			}
		}
	})
}
