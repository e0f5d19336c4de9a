package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every way to a published port: the host's loopback addresses of both
// families, its real address, another container, and the container itself.
func TestPortReachedFromEverywhere(t *testing.T) {
	address := hostAddress(t)
	Each(t, func(t *testing.T, e *Env) {
		name, _ := e.serve(t, "here", "-p", "80")
		port := e.hostPort(t, name)
		for _, host := range []string{"127.0.0.1", "::1", address} {
			if got, err := hear(net.JoinHostPort(host, port)); got != "here" {
				t.Errorf("from the host by %s: heard %q, %v", host, got, err)
			}
		}
		for _, host := range []string{address, "host.docker.internal"} {
			e.Want(t, "here", "run", "--rm", Image, "nc", "-w", "10", host, port)
			e.Want(t, "here", "exec", name, "nc", "-w", "10", host, port)
		}
	})
}

// sayDatagram sends a datagram until an answer comes: the server, a script, may
// not listen yet.
func sayDatagram(address, word string) (string, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	b := make([]byte, 100)
	for end := time.Now().Add(patience / 4); time.Now().Before(end); {
		conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		fmt.Fprint(conn, word)
		var n int
		if n, err = conn.Read(b); err == nil {
			return strings.TrimSpace(string(b[:n])), nil
		}
	}
	return "", fmt.Errorf("%s: no answer: %w", address, err)
}

// The container sees who sent a datagram, but for clients of the loopback
// addresses, which mean the container itself there.
func TestPortKeepsTheClientsAddressForUDP(t *testing.T) {
	address := hostAddress(t)
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "-p", "53/udp", "--name", name, "-v", e.helper(t, "greeter")+":/greeter:ro", Image, "/greeter", "53")
		_, port, _ := net.SplitHostPort(e.OK(t, "port", name, "53/udp"))
		if got, err := sayDatagram(net.JoinHostPort(address, port), "who\n"); err != nil || got != address {
			t.Errorf("the container saw %q, %v; want %s", got, err, address)
		}
	})
}

func TestPortRangesAndRandomPorts(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		first := freePorts(t, 4)
		name := e.Name(t)
		spread := fmt.Sprintf("%d-%d:80-82", first, first+2)
		e.OK(t, "run", "-d", "--name", name, "-p", spread, "-p", "127.0.0.1::90/udp", "-p", "[::1]::90", Image, "sleep", "1000")
		for i := range 3 {
			e.Want(t, fmt.Sprintf("0.0.0.0:%d", first+i), "port", name, strconv.Itoa(80+i))
		}
		udp, v6 := e.OK(t, "port", name, "90/udp"), e.OK(t, "port", name, "90/tcp")
		shown := e.OK(t, "ps", "-f", "name="+name, "--format", "{{.Ports}}")
		for _, want := range []string{fmt.Sprintf("0.0.0.0:%d-%d->80-82/tcp", first, first+2), udp + "->90/udp", v6 + "->90/tcp"} {
			if !strings.Contains(shown, want) {
				t.Errorf("ps shows %q, not %q", shown, want)
			}
		}
		_, port, _ := net.SplitHostPort(v6)
		e.Want(t, "::1 "+port, "inspect", "-f", `{{with index .NetworkSettings.Ports "90/tcp" 0}}{{.HostIp}} {{.HostPort}}{{end}}`, name)
		// Another container takes what is left of a range.
		second := e.Name(t)
		e.OK(t, "run", "-d", "--name", second, "-p", fmt.Sprintf("%d-%d:80", first, first+3), Image, "sleep", "1000")
		e.Want(t, fmt.Sprintf("0.0.0.0:%d", first+3), "port", second, "80")
		e.Run(t, "run", "--rm", "-p", fmt.Sprintf("%d-%d:80", first, first+3), Image, "true").Exits(t, 125).Says(t, "in use", "by container")
	})
}

// freePorts finds n ports in a row that no socket has.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	sockets := kernelSockets(t)
	taken := func(port int) bool { return strings.Contains(sockets, fmt.Sprintf(":%04X ", port)) }
	// Somewhere: several tests look for ports at once.
	for first, found := 20000+rand.N(5000), 0; first+found < 30000; {
		switch {
		case found == n:
			return first
		case taken(first + found):
			first, found = first+found+1, 0
		default:
			found++
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

func TestPortDefaultAddress(t *testing.T) {
	address := hostAddress(t)
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		script := "while :; do echo here | nc -l -p 80; done"
		e.Cmd("run", "-d", "--name", name, "-p", "80", "--expose", "81", "-P", Image, "sh", "-c", script).
			Set("RL_PUBLISH_ADDRESS=127.0.0.1").Run(t).OK(t)
		port := e.OK(t, "port", name, "80")
		if !strings.HasPrefix(port, "127.0.0.1:") || !strings.HasPrefix(e.OK(t, "port", name, "81"), "127.0.0.1:") {
			t.Errorf("published at %s", e.OK(t, "port", name))
		}
		if got, err := hear(port); got != "here" {
			t.Errorf("heard %q, %v", got, err)
		}
		if conn, err := net.Dial("tcp", strings.Replace(port, "127.0.0.1", address, 1)); err == nil {
			conn.Close()
			t.Error("the port answers on another address too")
		}
		// What was decided stays so, and a flag says more than the variable.
		e.OK(t, "restart", "-t", "0", name)
		e.Until(t, "127.0.0.1", "inspect", "-f", `{{(index .NetworkSettings.Ports "80/tcp" 0).HostIp}}`, name)
		e.Cmd("run", "--rm", "-p", "[::1]::80", Image, "true").Set("RL_PUBLISH_ADDRESS=127.0.0.1").Run(t).OK(t)
		e.Cmd("run", "--rm", "-p", "80", Image, "true").Set("RL_PUBLISH_ADDRESS=here").Run(t).Exits(t, 125).Says(t, "RL_PUBLISH_ADDRESS", "here")
	})
}

// A taken port names its owner: a process of the person's own by its number and
// command.
func TestPortTakenByOwnProcess(t *testing.T) {
	e := AsUser(t)
	if _, err := exec.LookPath("busybox"); err != nil {
		t.Skip("missing: busybox")
	}
	number := freePorts(t, 1)
	port := strconv.Itoa(number)
	p := e.Tool("busybox", "nc", "-l", "-p", port).Start(t)
	listening := regexp.MustCompile(fmt.Sprintf(`:%04X [0-9A-F]+:0000 0A `, number))
	for end := time.Now().Add(patience); !listening.MatchString(kernelSockets(t)); {
		if time.Now().After(end) {
			t.Fatal("busybox does not listen")
		}
	}
	e.Run(t, "run", "--rm", "-p", port+":80", Image, "true").Exits(t, 125).Says(t, port, "in use", "busybox", fmt.Sprintf("pid %d", p.PID()))
}

// kernelSockets returns the kernel's lists of TCP sockets, see proc_net_tcp in its
// documentation. Who tries a port instead takes it from its owner meanwhile.
func kernelSockets(t *testing.T) string {
	t.Helper()
	var lists string
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		list, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // no IPv6 in this kernel
			t.Fatal(err)
		}
		lists += string(list)
	}
	return lists
}

func TestPortBadInput(t *testing.T) {
	e := AsUser(t)
	for _, spec := range []string{"70000:80", "80:70000", "0-3:80", "8080-8070:80", "1.2.3:80:80", "300.0.0.1:80:80", "[::1:80:80", "80/icmp", "8080-8082:80-81", ":", "８０"} {
		r := e.Run(t, "run", "--rm", "-p", spec, Image, "true").Exits(t, 125).Says(t, "port", spec)
		if strings.Count(strings.TrimSpace(r.Err), "\n") != 0 {
			t.Errorf("-p %s: more than one line: %s", spec, r)
		}
	}
	e.Run(t, "run", "--rm", "-p", "203.0.113.77:20000:80", Image, "true").Exits(t, 125).Says(t, "203.0.113.77")
}

func TestPort(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "-p", "127.0.0.1:0:80", "-p", "[::1]:0:81/udp", Image, "sleep", "1000")
		port := func(key string) string {
			return e.OK(t, "inspect", "-f", `{{(index (index .NetworkSettings.Ports "`+key+`") 0).HostPort}}`, name)
		}
		tcp, udp := "127.0.0.1:"+port("80/tcp"), "[::1]:"+port("81/udp")
		e.Want(t, "80/tcp -> "+tcp+"\n81/udp -> "+udp, "port", name)
		e.Want(t, tcp, "port", name, "80")
		e.Want(t, udp, "port", name, "81/udp")
		e.Run(t, "port", name, "81").Exits(t, 1).Says(t, "81/tcp")
		e.Run(t, "port", "no-such-one").Exits(t, 1).Says(t, "no-such-one")
	})
}
