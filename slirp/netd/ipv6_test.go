package netd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// network6 is a user-defined network with IPv6.
func network6() *slirp.Network {
	n := testNetwork("1", "10.104.0.0/24", false)
	n.Subnet6, n.Gateway6 = netip.MustParsePrefix("fd00:7::/64"), netip.MustParseAddr("fd00:7::1")
	return n
}

// needIPv6 skips where the kernel has none.
func needIPv6(t *testing.T) {
	t.Helper()
	if !hasIPv6() {
		skip(t, "IPv6 in the kernel")
	}
}

func testIPv6Out(t *testing.T, uplink string) {
	h := newHost(t, uplink)
	outside := hostServer(t, "["+hostAddress6+"]:0")
	_, port, _ := net.SplitHostPort(hostServer(t, "[::1]:0"))
	c := h.on(slirp.Endpoint{ID: "cccc", Network: network6()})
	if got, err := ask(c.dial("tcp6", outside)); err != nil || got != hostAddress6 {
		t.Errorf("the host's server saw %q, %v; want %s", got, err, hostAddress6)
	}
	for _, ip := range []string{"::1", uplink6.gateway.String(), slirp6.gateway.String(), "fd00::3", c.Gateway6.String()} {
		if !c.shut(net.JoinHostPort(ip, port)) {
			t.Errorf("the container reached the host's loopback through %s", ip)
		}
	}
	kill(t, c.status().UplinkPID)
	await(t, "the host is reached again", func() bool {
		_, err := ask(c.dial("tcp6", outside))
		return err == nil
	})
}

func TestIPv6OutWithPasta(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Pasta)
	if onHost(t) {
		testIPv6Out(t, slirp.Pasta)
	}
}

func TestIPv6OutWithSlirp4netns(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Slirp4netns)
	if onHost(t) {
		testIPv6Out(t, slirp.Slirp4netns)
	}
}

// Where there is no way, programs are told so at once and take IPv4.
func TestIPv6WithoutAWayOut(t *testing.T) {
	needIPv6(t)
	for _, name := range []string{slirp.Pasta, slirp.Slirp4netns} {
		needUplink(t, name)
	}
	t.Setenv(envNoIPv6, "yes")
	if !onHost(t) {
		return
	}
	t.Setenv(envBuiltin, "yes")
	for i, name := range slirp.Uplinks() {
		h := newHost(t, name)
		c := h.on(slirp.Endpoint{ID: fmt.Sprint("cccc", i), Network: network6()})
		if _, err := c.dial("tcp6", "[2001:db8::1]:80"); !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a policy does not name stays shut, and it names no IPv6 addresses.
func TestEgressPolicyShutsIPv6(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, "["+hostAddress6+"]:0")
	free := h.on(slirp.Endpoint{ID: "aaaa", Network: network6()})
	bound := h.on(slirp.Endpoint{ID: "bbbb", Network: network6(), Egress: &slirp.Egress{}})
	if _, err := ask(free.dial("tcp6", outside)); err != nil {
		t.Error(err)
	}
	if _, err := bound.dial("tcp6", outside); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("with a policy: %v", err)
	}
	bound.routeBy(free.Gateway6)
	if !bound.shut(outside) {
		t.Error("a route of its own leads out")
	}
	free.echo("[::]:7")
	if err := bound.echoes(net.JoinHostPort(free.IPv6Address.String(), "7")); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
}

// routeBy gives the container a default route, as one with CAP_NET_ADMIN can.
func (c *testContainer) routeBy(gateway netip.Addr) {
	c.t.Helper()
	ns, err := newNamespace(c.netns)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { close(ns.calls) }()
	h, err := ns.handle()
	if err != nil {
		c.t.Fatal(err)
	}
	defer h.Close()
	if err := h.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()}); err != nil {
		c.t.Fatal(err)
	}
}

// The client's IPv6 address arrives where the container has one too and its
// server listens there; the bridge's does where not.
func TestPublishedTCPKeepsIPv6Addresses(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	ports := []slirp.PortMapping{{Host: 8080, Container: 80, Protocol: "tcp"}, {Host: 8081, Container: 81, Protocol: "tcp"}}
	both := h.on(slirp.Endpoint{ID: "aaaa", Network: network6(), Ports: ports})
	go tellAddress(both.listen("tcp", ":80"))
	go tellAddress(both.listen("tcp4", ":81"))
	old := h.container("bbbb", "8082:80")
	go tellAddress(old.listen("tcp", ":80"))
	for _, test := range []struct{ to, want string }{
		{net.JoinHostPort(hostAddress6, "8080"), hostAddress6},
		{net.JoinHostPort(hostAddress, "8080"), "::ffff:" + hostAddress},
		{"[::1]:8080", "::ffff:" + both.Gateway.String()},
		{net.JoinHostPort(hostAddress6, "8081"), both.Gateway.String()},
		{net.JoinHostPort(hostAddress6, "8082"), "::ffff:" + old.Gateway.String()},
	} {
		got, err := ask(net.DialTimeout("tcp", test.to, patience))
		if ip, _ := netip.ParseAddr(got); err != nil || ip.Unmap() != netip.MustParseAddr(test.want).Unmap() {
			t.Errorf("through %s the container saw %q, %v; want %s", test.to, got, err, test.want)
		}
	}
}

// The same with datagrams, of which none gets lost on the way to a server that
// listens on IPv4 only.
func TestPublishedUDPKeepsIPv6Addresses(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	ports := []slirp.PortMapping{{Host: 8080, Container: 80, Protocol: "udp"}, {Host: 8081, Container: 81, Protocol: "udp"}}
	both := h.on(slirp.Endpoint{ID: "aaaa", Network: network6(), Ports: ports})
	go tellSender(both.listenPackets("udp", ":80"))
	go tellSender(both.listenPackets("udp4", ":81"))
	old := h.container("bbbb", "8082:80/udp")
	go tellSender(old.listenPackets("udp", ":80"))
	for _, test := range []struct{ to, want string }{
		{net.JoinHostPort(hostAddress6, "8080"), hostAddress6},
		{net.JoinHostPort(hostAddress, "8080"), hostAddress},
		{"[::1]:8080", both.Gateway.String()},
		{net.JoinHostPort(hostAddress6, "8081"), both.Gateway.String()},
		{net.JoinHostPort(hostAddress6, "8081"), both.Gateway.String()}, // it is known now
		{net.JoinHostPort(hostAddress6, "8082"), old.Gateway.String()},
	} {
		if got, err := askDatagram(nil, test.to); err != nil || got != test.want {
			t.Errorf("through %s the container saw %q, %v; want %s", test.to, got, err, test.want)
		}
	}
}

// A client that asks before the server is there is known by its address as soon
// as it is.
func TestPublishedUDPWaitsForIPv6Server(t *testing.T) {
	needIPv6(t)
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	c := h.on(slirp.Endpoint{ID: "aaaa", Network: network6(), Ports: []slirp.PortMapping{{Host: 8080, Container: 80, Protocol: "udp"}}})
	conn, err := net.Dial("udp", net.JoinHostPort(hostAddress6, "8080"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func() { fmt.Fprint(conn, "who") }
	for range 5 {
		say()
	}
	go tellSender(c.listenPackets("udp6", ":80"))
	answer := make(chan string, 1)
	go func() {
		b := make([]byte, 100)
		n, _ := conn.Read(b)
		answer <- string(b[:n])
	}()
	await(t, "an answer comes", func() bool { say(); return len(answer) > 0 })
	if got := <-answer; got != hostAddress6 {
		t.Errorf("the container saw %q, want %s", got, hostAddress6)
	}
}
