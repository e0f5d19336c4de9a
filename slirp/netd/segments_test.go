package netd

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/rl-project/rl/slirp"
)

// sumServer answers each connection with the sum of all that came.
func sumServer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			sum := sha256.New()
			io.Copy(sum, conn)
			fmt.Fprintf(conn, "%x", sum.Sum(nil))
		}()
	}
}

// delivers sends far more than fits any buffer and compares what has arrived.
func delivers(conn net.Conn, err error) error {
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	sum := sha256.New()
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(io.MultiWriter(conn, sum), random, 32<<20); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if want := fmt.Sprintf("%x", sum.Sum(nil)); err == nil && string(got) != want {
		err = fmt.Errorf("arrived with the sum %q, not %s", got, want)
	}
	return err
}

// needSegments skips the test where the kernel has no such limit for IPv4.
func needSegments(t *testing.T) {
	t.Helper()
	lo, err := netlink.LinkByIndex(loopbackIndex)
	if err != nil {
		t.Fatal(err)
	}
	if lo.Attrs().GSOIPv4MaxSize == 0 {
		skip(t, "segments of IPv4 beyond 64 KiB: Linux 6.3")
	}
}

// Streams arrive whole whichever way they go, and are taken apart where an
// interface on the way takes less in one go.
func TestSegmentsTogether(t *testing.T) {
	needSegments(t)
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	a, b := h.container("aaaa", "8080:80"), h.container("bbbb")
	a.takes(segmentsSize, h)
	small := testNetwork("1", "10.104.0.0/24", false)
	small.MTU = 1500
	c, d := h.on(slirp.Endpoint{ID: "cccc", Network: small}), h.on(slirp.Endpoint{ID: "dddd", Network: small})
	for _, server := range []*testContainer{a, c} {
		go sumServer(server.listen("tcp4", ":80"))
	}
	outside, err := net.Listen("tcp4", hostAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	go sumServer(outside)
	for name, err := range map[string]error{
		"between containers":         delivers(b.dial("tcp4", a.IPAddress.String()+":80")),
		"between, at an MTU of 1500": delivers(d.dial("tcp4", c.IPAddress.String()+":80")),
		"to the host":                delivers(b.dial("tcp4", outside.Addr().String())),
		"to the host, at 1500":       delivers(d.dial("tcp4", outside.Addr().String())),
		"to the host, by a policy":   delivers(h.restricted("eeee", "allow=192.0.2.0/24").dial("tcp4", outside.Addr().String())),
		"through a published port":   delivers(net.Dial("tcp4", hostAddress+":8080")),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// takes checks both ends of the container's pair.
func (c *testContainer) takes(size uint32, h *host) {
	c.t.Helper()
	bridges, err := survivor(h.runtime)
	if err != nil {
		c.t.Fatal(err)
	}
	defer bridges.Close()
	for name, ns := range map[string]*os.File{c.HostInterface: bridges, c.Interface: c.netns} {
		err := (&testContainer{netns: ns}).in(func() error {
			link, err := netlink.LinkByName(name)
			if err == nil && link.Attrs().GSOIPv4MaxSize != size {
				err = fmt.Errorf("%s takes %d bytes in one go", name, link.Attrs().GSOIPv4MaxSize)
			}
			return err
		})
		if err != nil {
			c.t.Error(err)
		}
	}
}
