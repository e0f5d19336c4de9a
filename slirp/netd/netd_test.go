package netd

import (
	"net"
	"os/exec"
	"testing"

	"github.com/rl-project/rl/slirp"
)

// needUplink skips when the uplink's program is not installed.
func needUplink(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "%v", err)
	}
}

func TestContainersReachOneAnother(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	a, b := h.container("aaaa"), h.container("bbbb")
	go tellAddress(b.listen("tcp4", ":80"))
	got, err := ask(a.dial("tcp4", net.JoinHostPort(b.IPAddress.String(), "80")))
	if err != nil || got != a.IPAddress.String() {
		t.Errorf("b saw %q, %v; want a's address %s", got, err, a.IPAddress)
	}
}

func testUplink(t *testing.T, name string) {
	h := newHost(t, name)
	outside := hostServer(t, hostAddress+":0")
	loopback := hostServer(t, "127.0.0.1:0")
	c := h.container("cccc")
	if c.Uplink != name {
		t.Errorf("uplink is %q, want %q", c.Uplink, name)
	}
	if got, err := ask(c.dial("tcp4", outside)); err != nil || got != hostAddress {
		t.Errorf("the host's server saw %q, %v; want %s", got, err, hostAddress)
	}
	_, port, _ := net.SplitHostPort(loopback)
	for _, ip := range []string{"127.0.0.1", c.Gateway.String(), uplinkGateway.String(), "169.254.88.3"} {
		if !c.shut(net.JoinHostPort(ip, port)) {
			t.Errorf("the container reached the host's loopback through %s", ip)
		}
	}
}

func TestPasta(t *testing.T) {
	needUplink(t, slirp.Pasta)
	if onHost(t) {
		testUplink(t, slirp.Pasta)
	}
}

func TestSlirp4netns(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if onHost(t) {
		testUplink(t, slirp.Slirp4netns)
	}
}

func TestBuiltin(t *testing.T) {
	if onHost(t) {
		t.Setenv(envBuiltin, "yes")
		testUplink(t, slirp.Builtin)
	}
}

func TestSubnetAvoidsTheHostsResolver(t *testing.T) {
	needUplink(t, slirp.Slirp4netns)
	if !onHost(t) {
		return
	}
	h := newHost(t, slirp.Slirp4netns)
	h.setResolvConf("nameserver 10.88.0.53\n")
	if c := h.container("cccc"); c.IPAddress.String() != "10.89.0.2" {
		t.Errorf("with a resolver at 10.88.0.53 the container got %s", c.IPAddress)
	}
}
