package netd

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// restricted attaches a container that may reach no more than allow names.
func (h *host) restricted(id, allow string) *testContainer {
	h.t.Helper()
	policy, err := slirp.ParseEgress([]string{allow})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.attach(h.client(), slirp.Endpoint{ID: id, Name: id, Egress: policy})
}

// reaches reports whether the container gets through to address.
func (c *testContainer) reaches(address string) bool {
	return c.connects(address, 5*time.Second)
}

func (h *host) denials() string {
	text, _ := os.ReadFile(filepath.Join(h.runtime, denialsName))
	return string(text)
}

func TestEgress(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", hostAddress)
	h := newHost(t, slirp.Slirp4netns)
	here := hostServer(t, hostAddress+":0")
	_, port, _ := net.SplitHostPort(here)
	free := h.container("free", "8080:80")
	go tellAddress(free.listen("tcp4", ":80"))

	t.Run("deny", func(t *testing.T) {
		c := h.restricted("deny", "deny")
		if c.reaches(here) {
			t.Error("the host is reached")
		}
		if c.reaches(hostAddress + ":8080") {
			t.Error("a published port is reached by the host's address")
		}
		if !c.reaches(free.IPAddress.String() + ":80") {
			t.Error("the neighbour is not reached")
		}
		if got := answerOf(c.resolve("udp4", "example.org.")); got != "REFUSED" {
			t.Errorf("a name resolves: %s", got)
		}
		for _, want := range []string{"deny " + here + "/tcp", "deny example.org"} {
			await(t, "the denial is told: "+want, func() bool { return strings.Contains(h.denials(), want+"\n") })
		}
	})
	t.Run("address", func(t *testing.T) {
		if !h.restricted("range", "allow=192.0.2.0/24").reaches(here) {
			t.Error("an allowed range is not reached")
		}
		if !h.restricted("port", "allow="+here).reaches(here) {
			t.Error("an allowed port is not reached")
		}
		if h.restricted("other", "allow="+hostAddress+":1,198.51.100.0/24").reaches(here) {
			t.Error("another port is reached")
		}
	})
	t.Run("name", func(t *testing.T) {
		for _, allow := range []string{"allow=example.org:" + port, "allow=*.org"} {
			c := h.restricted("n"+allow, allow)
			if c.reaches(here) {
				t.Errorf("%s: reached before the name was asked for", allow)
			}
			if got := answerOf(c.resolve("udp4", "Example.org.")); got != hostAddress {
				t.Errorf("%s: the name does not resolve: %s", allow, got)
			}
			if !c.reaches(here) {
				t.Errorf("%s: not reached by the address of the name", allow)
			}
			if got := answerOf(c.resolve("udp4", "example.com.")); got != "REFUSED" {
				t.Errorf("%s: another name resolves: %s", allow, got)
			}
		}
	})
	// Another's address is no way around the policy.
	t.Run("borrowed address", func(t *testing.T) {
		c := h.restricted("thief", "deny")
		borrowed := netip.MustParseAddr("10.88.77.77")
		err := c.in(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return netlink.AddrAdd(link, address(netip.PrefixFrom(borrowed, 16)))
		})
		if err != nil {
			t.Fatal(err)
		}
		var conn net.Conn
		err = c.in(func() (err error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: borrowed.AsSlice()}, Timeout: 500 * time.Millisecond}
			conn, err = d.Dial("tcp4", here)
			return err
		})
		if err == nil {
			conn.Close()
			t.Error("the host is reached with another address")
		}
	})
	// An address that is given to the next container comes without the policy
	// and the names of the one before.
	t.Run("next container", func(t *testing.T) {
		c := h.restricted("before", "allow=example.org")
		c.resolve("udp4", "example.org.")
		own := c.IPAddress
		c.client.Close()
		next := h.attach(h.client(), slirp.Endpoint{ID: "after", Name: "after", IPAddress: own, Egress: &slirp.Egress{}})
		if next.reaches(here) {
			t.Error("the next container with the address is let through")
		}
		next.client.Close()
		if !h.attach(h.client(), slirp.Endpoint{ID: "last", Name: "last", IPAddress: own}).reaches(here) {
			t.Error("a container without a policy is kept back")
		}
	})
}

// While the network process is dead and comes back, nothing passes that was
// denied before, and what was allowed still is.
func TestEgressWhileNetdDies(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	resolver(t, "127.0.0.53:53", hostAddress)
	h := newHost(t, slirp.Slirp4netns)
	here, denied := hostServer(t, hostAddress+":0"), hostServer(t, hostAddress+":0")
	_, port, _ := net.SplitHostPort(here)
	c := h.restricted("cccc", "allow=example.org:"+port)
	c.resolve("udp4", "example.org.")
	if !c.reaches(here) || c.reaches(denied) {
		t.Fatal("the policy does not hold")
	}
	for range 3 {
		netd := c.status().PID
		if err := unix.Kill(netd, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the allowed port is reached again", func() bool {
			if c.reaches(denied) {
				t.Fatal("a denied port was reached")
			}
			s, err := c.client.Status(t.Context()) // an error until there is another
			return err == nil && s.PID != netd && c.reaches(here)
		})
		await(t, "names are refused and resolve", func() bool {
			return answerOf(c.resolveOnce("udp4", "example.com.")) == "REFUSED" && answerOf(c.resolveOnce("udp4", "example.org.")) == hostAddress
		})
	}
}

func TestPacketEnds(t *testing.T) {
	packet := append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0, 10, 88, 0, 2, 192, 0, 2, 7}, 0, 9, 1, 187)
	if source, to, ok := packetEnds(packet); !ok || source.String() != "10.88.0.2" || to != "192.0.2.7:443/tcp" {
		t.Errorf("got %v, %q, %v", source, to, ok)
	}
	if _, _, ok := packetEnds(packet[:19]); ok {
		t.Error("half a header is read")
	}
}

func FuzzPacketEnds(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 88, 0, 2, 192, 0, 2, 7, 0, 9, 1, 187})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if _, to, ok := packetEnds(packet); ok && to == "" {
			t.Error("a packet to nowhere")
		}
	})
}

func TestAnswerAddresses(t *testing.T) {
	answer := new(dns.Msg)
	for _, text := range []string{"a. 0 IN A 192.0.2.1", "a. 60 IN CNAME b.", "b. 60 IN A 192.0.2.2", "b. 999999 IN A 192.0.2.3", "b. 60 IN AAAA ::1"} {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		answer.Answer = append(answer.Answer, record)
	}
	want := map[string]time.Duration{"192.0.2.1": shortestName, "192.0.2.2": time.Minute, "192.0.2.3": longestName}
	got := answerAddresses(answer)
	for ip, ttl := range want {
		if got[netip.MustParseAddr(ip)] != ttl {
			t.Errorf("%s is good for %v, want %v", ip, got[netip.MustParseAddr(ip)], ttl)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}
