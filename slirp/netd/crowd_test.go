package netd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rl-project/rl/slirp"
)

// A hundred containers on one network find one another, forward and reverse.
func TestHundredContainersResolveEachOther(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	n := testNetwork("1", "10.104.0.0/24", false)
	var all []*testContainer
	for i := range 100 {
		id := fmt.Sprintf("c%03d", i)
		all = append(all, h.on(slirp.Endpoint{ID: id, Name: id, Network: n}))
	}
	for _, asker := range all {
		conn, err := asker.dial("tcp4", net.JoinHostPort(asker.DNS.String(), "53"))
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range all {
			// A connection takes maxTCPQueries.
			if i%(maxTCPQueries/2) == 0 && i > 0 {
				conn.Close()
				if conn, err = asker.dial("tcp4", net.JoinHostPort(asker.DNS.String(), "53")); err != nil {
					t.Fatal(err)
				}
			}
			reverse, _ := dns.ReverseAddr(o.IPAddress.String())
			if got := askName(t, conn, o.id+".", dns.TypeA); got != o.IPAddress.String() {
				t.Fatalf("%s sees %s as %s", asker.id, o.id, got)
			}
			if got := askName(t, conn, reverse, dns.TypePTR); got != o.id+".net1." {
				t.Fatalf("%s sees %s as %s", asker.id, o.IPAddress, got)
			}
		}
		conn.Close()
	}
	if s := all[0].status(); s.Containers != len(all) {
		t.Errorf("%d containers are known", s.Containers)
	}
}

// askName asks over an open connection and returns the answer's data.
func askName(t *testing.T, conn net.Conn, name string, kind uint16) string {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	c := &dns.Conn{Conn: conn}
	if err := c.WriteMsg(new(dns.Msg).SetQuestion(name, kind)); err != nil {
		t.Fatal(err)
	}
	m, err := c.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Answer) != 1 {
		return dns.RcodeToString[m.Rcode]
	}
	return strings.TrimPrefix(m.Answer[0].String(), m.Answer[0].Header().String())
}

// Every one of a thousand ports leads to its place.
func TestThousandPortsLeadInside(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	c := newHost(t, slirp.Slirp4netns).container("aaaa", "10000-10999:20000-20999")
	if len(c.Ports) != 1000 {
		t.Fatalf("%d ports are published", len(c.Ports))
	}
	for _, p := range c.Ports {
		l := c.listen("tcp4", fmt.Sprint(":", p.Container))
		go tellAddress(l)
		if got, err := ask(net.Dial("tcp4", net.JoinHostPort(hostAddress, fmt.Sprint(p.Host)))); err != nil || got != hostAddress {
			t.Fatalf("%s: %q, %v", p, got, err)
		}
		l.Close()
	}
}

// iperf starts a server for one client in the container, and returns when it
// listens.
func (c *testContainer) iperf(port string) {
	c.t.Helper()
	if err := c.in(func() error { return startIperf(c.t, port) }); err != nil {
		c.t.Fatal(err)
	}
}

func startIperf(t *testing.T, port string) error {
	server := exec.CommandContext(t.Context(), "iperf3", "-s", "-1", "-p", port, "--forceflush")
	output, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	t.Cleanup(func() { server.Wait() })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listening") {
			go io.Copy(io.Discard, output)
			return nil
		}
	}
	return fmt.Errorf("iperf3 does not listen on port %s", port)
}

// Streams of a program made to measure them go every way: between containers,
// to the host, and in through a published port.
func TestIperf(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	needUplink(t, "iperf3")
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	a, b := h.container("aaaa", "5201-5202:5201-5202"), h.container("bbbb")
	hostClient := func(f func() error) error { return f() }
	for _, way := range []struct {
		name, to string
		inside   bool // the server is in a container
		client   func(func() error) error
	}{
		{"between containers", a.IPAddress.String(), true, b.in},
		{"to the host", hostAddress, false, b.in},
		{"through a published port", hostAddress, true, hostClient},
	} {
		for i, flags := range [][]string{{"-n", "10M"}, {"-n", "10M", "-R", "-P", "4"}} {
			port := fmt.Sprint(5201 + i)
			if !way.inside {
				port = fmt.Sprint(5301 + i)
				if err := startIperf(t, port); err != nil {
					t.Fatal(err)
				}
			} else {
				a.iperf(port)
			}
			err := way.client(func() error {
				output, err := exec.CommandContext(t.Context(), "iperf3", append([]string{"-c", way.to, "-p", port}, flags...)...).CombinedOutput()
				if err != nil {
					return fmt.Errorf("%w: %s", err, output)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s, %s: %v", way.name, flags, err)
			}
		}
	}
}

// Where neither pasta nor slirp4netns is installed, the built-in uplink is taken.
func TestBuiltinWhenNothingIsInstalled(t *testing.T) {
	if !onHost(t) {
		return
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv(envBuiltin, "yes")
	outside := hostServer(t, hostAddress+":0")
	c := newHost(t).container("cccc")
	if c.Uplink != slirp.Builtin {
		t.Errorf("uplink is %q", c.Uplink)
	}
	if _, err := ask(c.dial("tcp4", outside)); err != nil {
		t.Error(err)
	}
}
