package netd

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// on attaches a container to a network.
func (h *host) on(e slirp.Endpoint) *testContainer {
	h.t.Helper()
	c := &testContainer{t: h.t, id: e.ID, client: h.client(), netns: newNetns(h.t)}
	c.Attachment = c.join(e)
	return c
}

// join attaches a container to one more network.
func (c *testContainer) join(e slirp.Endpoint) *slirp.Attachment {
	c.t.Helper()
	a, err := c.client.Attach(c.t.Context(), c.netns, e)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func testNetwork(digit, subnet string, internal bool) *slirp.Network {
	p := netip.MustParsePrefix(subnet)
	return &slirp.Network{ID: strings.Repeat(digit, 64), Name: "Net" + digit, Subnet: p, Gateway: p.Addr().Next(), Internal: internal}
}

// query asks the container's name server for records of a kind.
func (c *testContainer) query(name string, kind uint16) string {
	conn, err := c.dial("udp4", net.JoinHostPort(c.DNS.String(), "53"))
	if err != nil {
		return err.Error()
	}
	d := &dns.Conn{Conn: conn}
	defer d.Close()
	if err := d.WriteMsg(new(dns.Msg).SetQuestion(name, kind)); err != nil {
		return err.Error()
	}
	m, err := d.ReadMsg()
	if err != nil {
		return err.Error()
	}
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, r := range m.Answer {
		words = append(words, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	return strings.Join(words, " ")
}

func (c *testContainer) echoes(address string) error {
	conn, err := c.dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return says(conn, "hello")
}

func TestUserDefinedNetworks(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	one, two, closed := testNetwork("1", "10.104.0.0/24", false), testNetwork("2", "10.104.1.0/24", false), testNetwork("3", "10.104.2.0/24", true)
	a := h.on(slirp.Endpoint{ID: "aaaa", Name: "web", Hostname: "Harbour", Aliases: []string{"Alias"}, Network: one})
	b := h.on(slirp.Endpoint{ID: "bbbb", Name: "db", Network: one})
	c, d := h.on(slirp.Endpoint{ID: "cccc", Name: "other", Network: two}), h.on(slirp.Endpoint{ID: "dddd", Name: "locked", Network: closed})
	def := h.container("eeee")
	web := a.IPAddress.String()
	check := func(when string) {
		t.Helper()
		for name, want := range map[string]string{
			"web.": web, "alias.": web, "harbour.": web, "aaaa.": web, "WEB.net1.": web, "example.org.": "203.0.113.1", "host.docker.internal.": hostAddress,
		} {
			await(t, when+": "+name+" resolves to "+want, func() bool { return b.query(name, dns.TypeA) == "NOERROR "+want })
		}
		if got := b.query("web.", dns.TypeAAAA); got != "NOERROR" {
			t.Errorf("%s: IPv6 addresses of web: %s", when, got)
		}
		reverse, _ := dns.ReverseAddr(web)
		if got := b.query(reverse, dns.TypePTR); got != "NOERROR web.net1." {
			t.Errorf("%s: reverse: %s", when, got)
		}
		if got := answerOf(c.resolve("udp4", "web.")); got != "203.0.113.1" {
			t.Errorf("%s: another network resolves web to %s", when, got)
		}
		if got := answerOf(d.resolve("udp4", "locked.")) + " " + answerOf(d.resolve("udp4", "example.org.")); got != d.IPAddress.String()+" NXDOMAIN" {
			t.Errorf("%s: internal resolves %s", when, got)
		}
		if _, err := ask(b.dial("tcp4", outside)); err != nil {
			t.Errorf("%s: no way out: %v", when, err)
		}
	}
	a.echo(":7")
	check("at first")
	target := net.JoinHostPort(web, "7")
	conn, err := b.dial("tcp4", target)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, other := range map[string]*testContainer{"two": c, "internal": d, "default": def} {
		if !other.shut(target) {
			t.Errorf("%s reaches network one", name)
		}
		if !other.shut(net.JoinHostPort(one.Gateway.String(), "53")) {
			t.Errorf("%s reaches the name server of network one", name)
		}
	}
	if !d.shut(outside) {
		t.Error("internal has a way out")
	}
	if err := unix.Kill(a.status().PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "all are attached", func() bool {
		s, err := a.client.Status(t.Context())
		return err == nil && s.Containers == 5
	})
	check("after the kill")
	if err := says(conn, "after"); err != nil {
		t.Errorf("the connection broke: %v", err)
	}
	if !d.shut(target) {
		t.Error("after the kill internal reaches network one")
	}
}

func TestSeveralNetworks(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", "203.0.113.1")
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	front, back := testNetwork("1", "10.104.0.0/24", false), testNetwork("2", "10.104.1.0/24", true)
	db := h.on(slirp.Endpoint{ID: "dddd", Name: "db", Network: back})
	db.echo(":7")
	web := h.on(slirp.Endpoint{ID: "eeee", Name: "web", Network: front, Links: map[string]string{"Store": "db"}})
	if !web.shut(net.JoinHostPort(db.IPAddress.String(), "7")) {
		t.Error("reached before it was connected")
	}
	if got := answerOf(web.resolve("udp4", "db.")); got != "203.0.113.1" {
		t.Errorf("db resolves to %s before web is on its network", got)
	}
	join := slirp.Endpoint{ID: "eeee", Name: "web", Network: back, Interface: "eth1"}
	web.join(join)
	if _, err := web.client.Attach(t.Context(), web.netns, join); err == nil {
		t.Error("twice on one network")
	}
	for _, name := range []string{"db.", "store."} {
		if got := answerOf(web.resolve("udp4", name)); got != db.IPAddress.String() {
			t.Errorf("%s resolves to %s", name, got)
		}
	}
	if err := web.echoes(net.JoinHostPort(db.IPAddress.String(), "7")); err != nil {
		t.Error(err)
	}
	if _, err := ask(web.dial("tcp4", outside)); err != nil {
		t.Errorf("the way out: %v", err)
	}
	if err := web.client.Rename(t.Context(), "eeee", "shop"); err != nil {
		t.Fatal(err)
	}
	if got := db.query("web.", dns.TypeA) + db.query("shop.", dns.TypeA); !strings.HasPrefix(got, "NXDOMAINNOERROR 10.104.1.") {
		t.Errorf("after renaming: %s", got)
	}
	if err := web.client.Detach(t.Context(), "eeee", back.ID); err != nil {
		t.Fatal(err)
	}
	if !web.shut(net.JoinHostPort(db.IPAddress.String(), "7")) {
		t.Error("reached after it was disconnected")
	}
	if got := db.query("shop.", dns.TypeA); got != "NXDOMAIN" {
		t.Errorf("after disconnecting: %s", got)
	}
}

// The way out moves to the next network when the first is left.
func TestDefaultRouteMoves(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, hostAddress+":0")
	one, two := testNetwork("1", "10.104.0.0/24", false), testNetwork("2", "10.104.1.0/24", false)
	c := h.on(slirp.Endpoint{ID: "cccc", Network: one})
	c.join(slirp.Endpoint{ID: "cccc", Network: two, Interface: "eth1"})
	if err := c.client.Detach(t.Context(), "cccc", one.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(c.dial("tcp4", outside)); err != nil {
		t.Error(err)
	}
}

func TestIPv6OfNetworks(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	n := network6()
	a := h.on(slirp.Endpoint{ID: "aaaa", Name: "six", Network: n})
	b := h.on(slirp.Endpoint{ID: "bbbb", Network: n, IPv6Address: netip.MustParseAddr("fd00:7::77")})
	if a.IPv6Address.String() != "fd00:7::2" || b.IPv6Address.String() != "fd00:7::77" {
		t.Errorf("got %s and %s", a.IPv6Address, b.IPv6Address)
	}
	a.echo("[::]:7")
	if err := b.echoes("[fd00:7::2]:7"); err != nil {
		t.Error(err)
	}
	if got := b.query("six.", dns.TypeAAAA); got != "NOERROR fd00:7::2" {
		t.Errorf("six resolves to %s", got)
	}
	reverse, _ := dns.ReverseAddr("fd00:7::2")
	if got := b.query(reverse, dns.TypePTR); got != "NOERROR six.net1." {
		t.Errorf("reverse: %s", got)
	}
	for _, taken := range []string{"fd00:7::1", "fd00:7::2", "fd00:8::3"} {
		e := slirp.Endpoint{ID: "cccc", Network: n, IPv6Address: netip.MustParseAddr(taken)}
		if _, err := h.client().Attach(t.Context(), newNetns(t), e); err == nil {
			t.Errorf("%s was given out", taken)
		}
	}
}

// A static address is free at once for the container's next life.
func TestAddressComesBackAtOnce(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	e := slirp.Endpoint{ID: "aaaa", Name: "fixed", Network: testNetwork("1", "10.104.0.0/24", false), IPAddress: netip.MustParseAddr("10.104.0.9")}
	for range 3 {
		h.on(e).client.Close()
	}
	h.on(e)
	e.ID = "bbbb"
	if _, err := h.client().Attach(t.Context(), newNetns(t), e); err == nil || !strings.Contains(err.Error(), "fixed") {
		t.Errorf("the address of another: %v", err)
	}
}

// A container that floods its name server costs the others on its network nothing.
func TestFloodOfQueries(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	h.setResolvConf("nameserver 127.0.0.99\n") // where nobody answers
	n := testNetwork("1", "10.104.0.0/24", false)
	flood := h.on(slirp.Endpoint{ID: "aaaa", Name: "flood", Network: n})
	quiet := h.on(slirp.Endpoint{ID: "bbbb", Name: "quiet", Network: n})
	conn, err := flood.dial("udp4", net.JoinHostPort(flood.DNS.String(), "53"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet, err := new(dns.Msg).SetQuestion("example.org.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for range 20000 {
		conn.Write(packet)
	}
	if got := answerOf(quiet.resolve("udp4", "flood.")); got != flood.IPAddress.String() {
		t.Errorf("in a flood: %s", got)
	}
	if got := answerOf(quiet.resolve("tcp4", "flood.")); got != flood.IPAddress.String() {
		t.Errorf("in a flood, over TCP: %s", got)
	}
}
