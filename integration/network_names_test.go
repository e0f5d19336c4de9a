package integration

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// Dig is the program that asks name servers.
var Dig = Program("dig", "bind9-dnsutils")

// importDig gives the Env an image with nothing but dig, and returns its name.
func (e *Env) importDig(t *testing.T) string {
	t.Helper()
	Need(t, Dig)
	libraries, err := exec.Command("ldd", "/usr/bin/dig").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-chf", "-", "-C", "/", "usr/bin/dig"}
	for _, word := range strings.Fields(string(libraries)) {
		if path, ok := strings.CutPrefix(word, "/"); ok {
			args = append(args, path)
		}
	}
	archive, err := exec.Command("tar", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	e.Cmd("import", "-", "dig").Stdin(bytes.NewReader(archive)).Run(t).OK(t)
	return "dig"
}

func TestNetworkNames(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		image := e.importDig(t)
		n, other := e.network(t, "--ipv6"), e.network(t, "--internal")
		web := e.sleeper(t, "--network", n, "--hostname", "harbour", "--network-alias", "www")
		id := e.OK(t, "inspect", "-f", "{{.Id}}", web)
		apart := e.sleeper(t, "--network", other)
		dig := func(network string, words ...string) string {
			args := []string{"run", "--rm", "--network", network, image, "dig", "+time=2", "+tries=2"}
			return e.OK(t, append(args, words...)...)
		}
		ip, ip6 := e.address(t, web, n), e.OK(t, "inspect", "-f", `{{(index .NetworkSettings.Networks "`+n+`").GlobalIPv6Address}}`, web)
		for _, name := range []string{web, strings.ToUpper(web), web + "." + n, "www", "harbour", id[:12]} {
			if got := dig(n, "+short", name, "A", name, "AAAA"); got != ip+"\n"+ip6 {
				t.Errorf("%s: %q, want %s and %s", name, got, ip, ip6)
			}
		}
		if got := dig(n, "+tcp", "+short", web); got != ip {
			t.Errorf("over TCP: %q", got)
		}
		if got := dig(n, "+short", "-x", ip, "-x", ip6); got != web+"."+n+".\n"+web+"."+n+"." {
			t.Errorf("reverse: %q", got)
		}
		if got := dig(n, web, "MX"); !strings.Contains(got, "NOERROR") || !strings.Contains(got, "ANSWER: 0") {
			t.Errorf("no mail server: %s", got)
		}
		if got, want := dig(n, "+short", "host.docker.internal", "host.containers.internal"), hostAddress(t); got != want+"\n"+want {
			t.Errorf("the host is %q, want %s", got, want)
		}
		for _, name := range []string{web, "host.docker.internal", "example.org"} {
			if got := dig(other, name); !strings.Contains(got, "NXDOMAIN") {
				t.Errorf("%s on an internal network: %s", name, got)
			}
		}
		if got := dig(other, "+short", apart); got != e.address(t, apart, other) {
			t.Errorf("on an internal network its own name: %q", got)
		}
		// Names go with their container.
		e.OK(t, "stop", "-t", "0", web)
		if got := dig(n, "+short", web); strings.Contains(got, ip) {
			t.Errorf("after the end: %q", got)
		}
	})
}

// serveNames answers every question at an address of the host with ip.
func serveNames(t *testing.T, server string, ip net.IP) {
	t.Helper()
	packets, err := net.ListenPacket("udp4", server+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: ip}}
		w.WriteMsg(m)
	})
	go (&dns.Server{PacketConn: packets, Handler: answer}).ActivateAndServe()
}

// loopbackAddress is one of the many that this machine has, so that tests
// that run at once do not meet.
func loopbackAddress() string {
	return net.IPv4(127, byte(1+rand.N(250)), byte(1+rand.N(250)), byte(1+rand.N(250))).String()
}

// A VPN that comes up under a running container gives it other name servers at
// once, also while the network process is killed and comes back.
func TestNetworkNamesFollowTheHost(t *testing.T) {
	Need(t, Superuser)
	home, vpn := loopbackAddress(), loopbackAddress()
	serveNames(t, home, net.IPv4(203, 0, 113, 7))
	serveNames(t, vpn, net.IPv4(203, 0, 113, 8))
	e := Fresh(t, Ordinary)
	file := filepath.Join(e.Folder(t), "resolv.conf")
	use := func(server string) {
		if err := os.WriteFile(file, []byte("nameserver "+server+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	use(home)
	var err error
	if e.mounts, err = newMountNS(func() error { return unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, "") }); err != nil {
		t.Fatal(err)
	}
	e.ownMounts = append(e.ownMounts, "/etc/resolv.conf")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	n := e.network(t)
	asks := []string{e.sleeper(t), e.sleeper(t, "--network", n)} // each for its own network
	find := func(name string, limit ...string) string {
		args := append(append([]string{"exec", name}, limit...), "nslookup", "-type=a", "example.org")
		words := strings.Fields(e.Run(t, args...).Out)
		if len(words) == 0 {
			return ""
		}
		return words[len(words)-1]
	}
	for _, has := range []struct{ server, answer string }{{home, "203.0.113.7"}, {vpn, "203.0.113.8"}} {
		use(has.server)
		for _, name := range asks {
			if got := find(name); got != has.answer {
				t.Errorf("with the name server %s example.org is %q, want %s", has.server, got, has.answer)
			}
		}
	}
	pid := e.networkProcess(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	use(home)
	WaitGone(t, pid)
	for _, name := range asks {
		// What is asked while nobody is there, nslookup asks again after 2.5 s.
		comes(t, "names of the world resolve", func() bool { return find(name, "timeout", "1") == "203.0.113.7" })
	}
}

// With --dns containers find each other all the same, and everything else there.
func TestNetworkDNSFlag(t *testing.T) {
	Need(t, Superuser)
	server := hostAddress(t)
	serveNames(t, server, net.IPv4(203, 0, 113, 7))
	Each(t, func(t *testing.T, e *Env) {
		n := e.network(t)
		web := e.sleeper(t, "--network", n)
		find := func(name string) string {
			out := e.OK(t, "run", "--rm", "--network", n, "--dns", server, "--dns-search", ".", Image, "nslookup", "-type=a", name)
			words := strings.Fields(out)
			return words[len(words)-1]
		}
		if got := find("example.org"); got != "203.0.113.7" {
			t.Errorf("example.org is %s", got)
		}
		if got, want := find(web), e.address(t, web, n); got != want {
			t.Errorf("%s is %s, want %s", web, got, want)
		}
		e.Want(t, "nameserver "+server, "run", "--rm", "--dns", server, Image, "grep", "nameserver", "/etc/resolv.conf") // as Docker's default network
	})
}

// Askers are spread over the containers that share an alias.
func TestNetworkSharedAlias(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n := e.network(t)
		var want []string
		for range 3 {
			want = append(want, e.address(t, e.sleeper(t, "--network", n, "--network-alias", "pool"), n))
		}
		out := e.OK(t, "run", "--rm", "--network", n, Image, "nslookup", "-type=a", "pool")
		var got []string
		for line := range strings.Lines(out) {
			if ip, ok := strings.CutPrefix(line, "Address: "); ok {
				got = append(got, strings.TrimSpace(ip))
			}
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("pool is %v, want %v", got, want)
		}
	})
}
