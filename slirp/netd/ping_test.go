package netd

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/rl-project/rl/slirp"
)

// envPing is what the host's ping_group_range is to be.
const envPing = "RL_TEST_PING"

// ping sends so many echo requests from the container, one a second, until one
// is answered. The first may get lost while the uplink learns addresses.
func (c *testContainer) ping(network, to string, tries int) error {
	var conn *icmp.PacketConn
	err := c.in(func() (err error) {
		conn, err = icmp.ListenPacket(network, "")
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	kind, protocol, reply := icmp.Type(ipv4.ICMPTypeEcho), 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if network == "ip6:ipv6-icmp" {
		kind, protocol, reply = ipv6.ICMPTypeEchoRequest, 58, ipv6.ICMPTypeEchoReply
	}
	request, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("hello")}}).Marshal(nil)
	if err != nil {
		return err
	}
	b := make([]byte, 1500)
	for range tries {
		if _, err := conn.WriteTo(request, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				break
			}
			if m, err := icmp.ParseMessage(protocol, b[:n]); err == nil && m.Type == reply {
				return nil
			}
		}
	}
	return fmt.Errorf("no answer from %s", to)
}

func testPing(t *testing.T, uplink string, ipv6 bool) {
	h := newHost(t, uplink)
	c := h.on(slirp.Endpoint{ID: "cccc", Network: network6()})
	ipv6 = ipv6 && hasIPv6()
	if os.Getenv(envPing) == "" {
		if err := c.ping("ip4:icmp", hostAddress, 2); err == nil {
			t.Errorf("%s answers although the host does not let it ping", uplink)
		}
		return
	}
	err := c.ping("ip4:icmp", hostAddress, 40)
	if err == nil && ipv6 {
		err = c.ping("ip6:ipv6-icmp", hostAddress6, 40)
	}
	if err != nil {
		t.Errorf("%s: %v", uplink, err)
	}
}

// Where the host lets its users ping, containers can; check tells where not.
func TestPing(t *testing.T) {
	t.Setenv(envPing, "0 0")
	pings(t)
}

func TestPingForbidden(t *testing.T) { pings(t) }

func pings(t *testing.T) {
	for _, name := range []string{slirp.Pasta, slirp.Slirp4netns} {
		needUplink(t, name)
	}
	if !onHost(t) {
		return
	}
	t.Run("pasta", func(t *testing.T) { testPing(t, slirp.Pasta, true) })
	// The others have no pings over IPv6.
	t.Run("slirp4netns", func(t *testing.T) { testPing(t, slirp.Slirp4netns, false) })
	t.Run("built-in", func(t *testing.T) {
		t.Setenv(envBuiltin, "yes")
		testPing(t, slirp.Builtin, false)
	})
}
