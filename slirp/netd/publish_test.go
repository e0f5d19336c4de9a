package netd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rl-project/rl/slirp"
)

func TestPublishedTCPKeepsClientAddress(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	c := h.container("cccc", "8080:80", "127.0.0.1::80", "8090-8099:80")
	go tellAddress(c.listen("tcp4", ":80"))
	if len(c.Ports) != 3 || c.Ports[1].Host == 0 || c.Ports[2].Host != 8090 {
		t.Fatalf("ports are %v", c.Ports)
	}
	tests := []struct{ from, to, want string }{
		{hostAddress, hostAddress + ":8080", hostAddress},
		{"127.0.0.1", "127.0.0.1:8080", c.Gateway.String()},
		{"127.0.0.1", fmt.Sprintf("127.0.0.1:%d", c.Ports[1].Host), c.Gateway.String()},
		{"[::1]", "[::1]:8080", c.Gateway.String()},
		{hostAddress, hostAddress + ":8090", hostAddress},
	}
	for _, test := range tests {
		local, err := net.ResolveTCPAddr("tcp", test.from+":0")
		if err != nil {
			t.Fatal(err)
		}
		dialer := net.Dialer{LocalAddr: local, Timeout: patience}
		if got, err := ask(dialer.Dial("tcp", test.to)); err != nil || got != test.want {
			t.Errorf("through %s the container saw %q, %v; want %s", test.to, got, err, test.want)
		}
	}
	if _, err := net.Dial("tcp", net.JoinHostPort(hostAddress, strconv.Itoa(int(c.Ports[1].Host)))); err == nil {
		t.Error("a port published on 127.0.0.1 answers on another address")
	}
}

// The container sees who asks, and the asker gets its answer from the address
// that it asked.
func TestPublishedUDPKeepsClientAddress(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	c := h.container("cccc", "5000:53/udp", "127.0.0.1:5001:53/udp")
	go tellSender(c.listenPackets("udp4", ":53"))
	for _, test := range []struct{ from, to, want string }{
		{hostAddress, hostAddress + ":5000", hostAddress},
		{"127.0.0.1", "127.0.0.1:5000", c.Gateway.String()},
		{"127.0.0.1", "127.0.0.2:5000", c.Gateway.String()},
		{"127.0.0.1", "127.0.0.1:5001", c.Gateway.String()},
		{"[::1]", "[::1]:5000", c.Gateway.String()},
	} {
		local, err := net.ResolveUDPAddr("udp", test.from+":0")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := askDatagram(local, test.to); err != nil || got != test.want {
			t.Errorf("through %s the container saw %q, %v; want %s", test.to, got, err, test.want)
		}
	}
}

// A port that clients of many addresses use holds no more than maxFlows
// sockets, and gives them all back when the container goes.
func TestPublishedUDPBoundsAFlood(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	h.client() // keeps the network process
	c := h.container("cccc", "5000:53/udp")
	netd := c.status().PID
	before := descriptors(t, netd)
	for range maxFlows + 100 {
		conn, err := net.Dial("udp", hostAddress+":5000")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "x")
		conn.Close()
	}
	await(t, "clients are known", func() bool { return descriptors(t, netd) > before+100 })
	if n := descriptors(t, netd); n > before+maxFlows+20 {
		t.Errorf("%d descriptors for %d clients", n-before, maxFlows+100)
	}
	c.client.Close()
	await(t, "all sockets are closed", func() bool { return descriptors(t, netd) <= before })
}

// tellSender answers every datagram with its sender's address.
func tellSender(server net.PacketConn) {
	b := make([]byte, 100)
	for {
		_, from, err := server.ReadFrom(b)
		if err != nil {
			return
		}
		host, _, _ := net.SplitHostPort(from.String())
		server.WriteTo([]byte(host), from)
	}
}

func askDatagram(local *net.UDPAddr, to string) (string, error) {
	dialer := net.Dialer{LocalAddr: local}
	conn, err := dialer.Dial("udp", to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "who")
	b := make([]byte, 100)
	n, err := conn.Read(b)
	return string(b[:n]), err
}

func TestContainerReachesPublishedPortOfAnother(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	a, b := h.container("aaaa", "8080:80"), h.container("bbbb")
	go tellAddress(a.listen("tcp4", ":80"))
	for _, c := range []*testContainer{a, b} {
		if got, err := ask(c.dial("tcp4", hostAddress+":8080")); err != nil || got != hostAddress {
			t.Errorf("%s got %q, %v", c.id, got, err)
		}
	}
}

func TestPortConflicts(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	outside := hostServer(t, "127.0.0.1:7000")
	first := h.container("aaaa", "8080:80")
	tests := []struct {
		spec     string
		sentinel error
		text     string
	}{
		{"8080:80", slirp.ErrPortInUse, "by container aaaa"},
		{"127.0.0.1:8080:80", slirp.ErrPortInUse, "by container aaaa"},
		{outside + ":80", slirp.ErrPortInUse, "127.0.0.1:7000->80/tcp"},
		{"22:22", slirp.ErrLowPort, "net.ipv4.ip_unprivileged_port_start=22"},
		{"198.51.100.1:8081:80", slirp.ErrAddress, "198.51.100.1"},
	}
	for _, test := range tests {
		ports, err := slirp.ParsePorts(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		// The second port shows that nothing is left behind.
		ports = append([]slirp.PortMapping{{Host: 9000, Container: 90, Protocol: "tcp"}}, ports...)
		_, err = h.client().Attach(t.Context(), newNetns(t), slirp.Endpoint{ID: "bbbb", Ports: ports})
		if !errors.Is(err, test.sentinel) || !strings.Contains(fmt.Sprint(err), test.text) || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%s: got %v, want %v with %q", test.spec, err, test.sentinel, test.text)
		}
	}
	if owner := slirp.PortOwner(slirp.PortMapping{Host: 7000, Protocol: "tcp"}); !strings.Contains(owner, "pid") {
		t.Errorf("owner of the host's port is %q", owner)
	}
	if err := first.client.Detach(t.Context(), "aaaa", ""); err != nil {
		t.Fatal(err)
	}
	h.container("cccc", "8080:80")
}

// descriptors counts the open files of a process.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Ten thousand short connections leave no descriptor, goroutine or process behind.
func TestConnectionsLeaveNothingOpen(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	c := h.container("cccc", "8080:80")
	go tellAddress(c.listen("tcp4", ":80"))
	visit := func(n int) {
		for range n {
			if got, err := ask(net.Dial("tcp4", hostAddress+":8080")); err != nil || got != hostAddress {
				t.Errorf("got %q, %v", got, err)
				return
			}
		}
	}
	visit(10) // opens what stays open
	before, running := c.status(), len(processes(t))
	open := descriptors(t, before.PID)
	var visitors sync.WaitGroup
	for range 8 {
		visitors.Go(func() { visit(1250) })
	}
	visitors.Wait()
	// The runtime keeps some pipes, through which data is spliced, for later: until
	// the garbage collector has been there twice.
	const pool = 2 * 8 * 4
	await(t, "all connections are closed", func() bool { return descriptors(t, before.PID) <= open+pool })
	await(t, "all goroutines have ended", func() bool { return c.status().Goroutines <= before.Goroutines })
	if now := len(processes(t)); now != running {
		t.Errorf("%d processes instead of %d", now, running)
	}
}

// A container that reads nothing keeps nobody from ending: its connections end
// with its port.
func TestPublishedTCPEndsWhatIsStuck(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	h.client() // keeps the network process
	c := h.container("cccc", "8080:80")
	server := c.listen("tcp4", ":80")
	conn, err := net.Dial("tcp4", hostAddress+":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if held, err := server.Accept(); err != nil {
		t.Fatal(err)
	} else {
		defer held.Close()
	}
	for chunk := make([]byte, 1<<20); err == nil; _, err = conn.Write(chunk) {
		conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	c.client.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays when the container is gone")
	}
}
