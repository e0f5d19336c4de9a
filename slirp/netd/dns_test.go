package netd

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rl-project/rl/slirp"
)

// resolver runs a name server on the host that answers every A query with ip,
// and "big." with more than fits a datagram.
func resolver(t *testing.T, address, ip string) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		n := 1
		if q.Question[0].Name == "big." {
			n = 200
		}
		for i := range n {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: uint32(i)},
				A:   net.ParseIP(ip),
			})
		}
		if _, datagram := w.RemoteAddr().(*net.UDPAddr); datagram {
			m.Truncate(dns.MinMsgSize)
		}
		w.WriteMsg(m)
	})
	packets, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: packets}, {Listener: listener}} {
		s.Handler = handler
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
}

// resolve asks the container's name server, a few times as resolvers do:
// datagrams get lost when a socket's queue is full.
func (c *testContainer) resolve(network, name string) (m *dns.Msg, err error) {
	for range 5 {
		if m, err = c.resolveOnce(network, name); err == nil {
			break
		}
	}
	return m, err
}

func (c *testContainer) resolveOnce(network, name string) (*dns.Msg, error) {
	conn, err := c.dial(network, net.JoinHostPort(c.DNS.String(), "53"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(queryTimeout))
	dnsConn := &dns.Conn{Conn: conn}
	if err := dnsConn.WriteMsg(new(dns.Msg).SetQuestion(name, dns.TypeA)); err != nil {
		return nil, err
	}
	return dnsConn.ReadMsg()
}

func answerOf(m *dns.Msg, err error) string {
	if err != nil {
		return err.Error()
	}
	if len(m.Answer) == 0 {
		return dns.RcodeToString[m.Rcode]
	}
	return m.Answer[0].(*dns.A).A.String()
}

func TestNameServerFollowsTheHost(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	resolver(t, hostAddress+":53", "203.0.113.2")
	h := newHost(t, slirp.Slirp4netns)
	c := h.container("cccc")
	if got := answerOf(c.resolve("udp4", "example.org.")); got != "203.0.113.1" {
		t.Errorf("from the host's loopback resolver: %s", got)
	}
	h.setResolvConf("nameserver " + hostAddress + "\n")
	if got := answerOf(c.resolve("udp4", "example.org.")); got != "203.0.113.2" {
		t.Errorf("after resolv.conf changed: %s", got)
	}
	h.setResolvConf("nameserver 127.0.0.99\nnameserver " + hostAddress + "\n")
	if got := answerOf(c.resolve("udp4", "example.org.")); got != "203.0.113.2" {
		t.Errorf("with a dead first resolver: %s", got)
	}
	h.setResolvConf("nameserver 127.0.0.99\n")
	if got := answerOf(c.resolve("udp4", "example.org.")); got != "SERVFAIL" {
		t.Errorf("with only a dead resolver: %s", got)
	}
}

func TestNameServerTruncates(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	c := newHost(t, slirp.Slirp4netns).container("cccc")
	if m, err := c.resolve("udp4", "big."); err != nil || !m.Truncated {
		t.Errorf("a long answer in a datagram: %v, %v", m, err)
	}
	if m, err := c.resolve("tcp4", "big."); err != nil || len(m.Answer) != 200 {
		t.Errorf("a long answer over TCP: %v", err)
	}
}

func TestNameServerSurvivesGarbage(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	c := newHost(t, slirp.Slirp4netns).container("cccc")
	for _, network := range []string{"udp4", "tcp4"} {
		conn, err := c.dial(network, net.JoinHostPort(c.DNS.String(), "53"))
		if err != nil {
			t.Fatal(err)
		}
		for size := range 600 {
			b := make([]byte, size)
			rand.Read(b)
			conn.Write(b)
		}
		conn.Close()
	}
	// Headers that promise more than follows, and a name that points at itself.
	conn, err := c.dial("udp4", net.JoinHostPort(c.DNS.String(), "53"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "\x00\x01\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff")
	fmt.Fprint(conn, "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01")
	for _, network := range []string{"tcp4", "udp4"} {
		if got := answerOf(c.resolve(network, "example.org.")); got != "203.0.113.1" {
			t.Errorf("after garbage, over %s: %s", network, got)
		}
	}
}

func TestNameServerBoundsAFlood(t *testing.T) {
	s := &nameServer{perClient: map[netip.Addr]int{}}
	flood, other := netip.MustParseAddr("10.88.0.2"), netip.MustParseAddr("10.88.0.3")
	entered := 0
	for range 1000 {
		if s.enter(flood) {
			entered++
		}
	}
	if entered != maxQueriesPerClient {
		t.Errorf("one container got %d queries at once, want %d", entered, maxQueriesPerClient)
	}
	if !s.enter(other) {
		t.Error("another container got none")
	}
	for range maxQueriesPerClient {
		s.leave(flood)
	}
	s.leave(other)
	if s.running != 0 || len(s.perClient) != 0 {
		t.Errorf("after all: %d running, %v", s.running, s.perClient)
	}
}
