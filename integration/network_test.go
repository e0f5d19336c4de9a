package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve runs a detached container that answers each connection to port 80 with
// word, and returns its name and address.
func (e *Env) serve(t *testing.T, word string, flags ...string) (name, ip string) {
	t.Helper()
	name = e.Name(t)
	args := append([]string{"run", "-d", "--name", name}, flags...)
	script := "echo " + word + " > /word; while :; do nc -l -p 80 < /word; done"
	e.OK(t, append(args, Image, "sh", "-c", script)...)
	ip = e.OK(t, "exec", name, "sh", "-c", "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'")
	if net.ParseIP(ip) == nil {
		t.Fatalf("%s has the address %q", name, ip)
	}
	return name, ip
}

// hear connects, sends nothing, and returns what it hears. It tries again
// until the server, which a script starts anew for each connection, is there.
func hear(address string) (string, error) {
	var err error
	for end := time.Now().Add(patience / 4); time.Now().Before(end); {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", address, time.Second); err != nil {
			continue
		}
		conn.SetDeadline(time.Now().Add(time.Second))
		conn.(*net.TCPConn).CloseWrite()
		var b []byte
		b, err = io.ReadAll(conn)
		conn.Close()
		if len(b) > 0 {
			return strings.TrimSpace(string(b)), nil
		}
	}
	return "", fmt.Errorf("%s: nothing heard: %w", address, err)
}

// hostPort finds the host's side of the only published port in `ps`.
func (e *Env) hostPort(t *testing.T, name string) string {
	t.Helper()
	ports := e.OK(t, "ps", "-f", "name="+name, "--format", "{{.Ports}}")
	found := regexp.MustCompile(`:(\d+)->80/tcp`).FindStringSubmatch(ports)
	if found == nil || found[1] == "0" {
		t.Fatalf("ps shows the ports %q", ports)
	}
	return found[1]
}

// hostAddress is an address of this machine beside the loopback ones, that a
// container must be able to reach.
func hostAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("missing: an IPv4 address of this machine beside loopback")
	return ""
}

// listenOnHost answers each connection to address with word.
func listenOnHost(t *testing.T, address, word string) (port string) {
	t.Helper()
	return onHost(t, address, func(c net.Conn) { io.WriteString(c, word+"\n") })
}

// onHost serves each connection to address.
func onHost(t *testing.T, address string, serve func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// answerOnHost answers with word who connects to address and says something.
func answerOnHost(t *testing.T, address, word string) (port string) {
	t.Helper()
	return onHost(t, address, func(c net.Conn) {
		if _, err := c.Read(make([]byte, 100)); err == nil { // what is left unread would end it with a reset
			io.WriteString(c, word+"\n")
		}
	})
}

func TestNetworkContainersReachOneAnother(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		_, ip := e.serve(t, "neighbour")
		e.Want(t, "neighbour", "run", "--rm", Image, "nc", "-w", "10", ip, "80")
	})
}

func TestNetworkReachesTheHostButNotItsLoopback(t *testing.T) {
	address := hostAddress(t)
	outside := listenOnHost(t, address, "outside")
	inside := listenOnHost(t, "127.0.0.1", "secret")
	Each(t, func(t *testing.T, e *Env) {
		e.Want(t, "outside", "run", "--rm", Image, "nc", "-w", "10", address, outside)
		e.Want(t, "outside", "run", "--rm", Image, "nc", "-w", "10", "host.docker.internal", outside)
		script := fmt.Sprintf(`for ip in 127.0.0.1 $(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p') %s; do nc -w 2 $ip %s; done; echo end`, address, inside)
		e.Want(t, "end", "run", "--rm", Image, "sh", "-c", script)
	})
}

func TestNetworkPublish(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, ip := range []string{"", "127.0.0.1"} {
			flag := strings.TrimPrefix(ip+"::80", "::")
			name, _ := e.serve(t, "hello", "-p", flag)
			port := e.hostPort(t, name)
			if got, err := hear("127.0.0.1:" + port); got != "hello" {
				t.Errorf("-p %s: heard %q, %v", flag, got, err)
			}
			e.OK(t, "rm", "-f", name)
			// The port is free again the moment the container is gone.
			l, err := net.Listen("tcp", ":"+port)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	})
}

// The other side of a published port sees who connects.
func TestNetworkPublishKeepsTheClientsAddress(t *testing.T) {
	address := hostAddress(t)
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		script := `nc -l -p 80 -e sh -c 'echo peer; netstat -tn 2>/dev/null | grep -o "` + address + `" | head -1' `
		e.OK(t, "run", "-d", "-p", "80", "--name", name, Image, "sh", "-c", "while :; do "+script+"; done")
		got, err := hear(net.JoinHostPort(address, e.hostPort(t, name)))
		if err != nil || !strings.Contains(got, address) {
			t.Errorf("the container saw %q, %v; want %s", got, err, address)
		}
	})
}

func TestNetworkPortConflict(t *testing.T) {
	port := listenOnHost(t, "127.0.0.1", "mine")
	Each(t, func(t *testing.T, e *Env) {
		r := e.Run(t, "run", "--rm", "-p", "127.0.0.1:"+port+":80", Image, "true").Exits(t, 125)
		r.Says(t, port, "in use")
		if n := strings.Count(strings.TrimSpace(r.Err), "\n"); n != 0 {
			t.Errorf("more than one line: %s", r)
		}
		name, _ := e.serve(t, "first", "-p", "80")
		taken := e.hostPort(t, name)
		e.Run(t, "run", "--rm", "-p", taken+":80", Image, "true").Exits(t, 125).Says(t, taken, "in use", name)
	})
}

func TestNetworkLowPort(t *testing.T) {
	start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(start))); err != nil || n <= 81 {
		t.Skip("missing: ports that only root may listen on")
	}
	e := AsUser(t)
	e.Run(t, "run", "--rm", "-p", "81:80", Image, "true").Exits(t, 125).
		Says(t, "81", "net.ipv4.ip_unprivileged_port_start")
}

func TestNetworkFiles(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		hosts := e.OK(t, "run", "--rm", "--hostname", "harbour", Image, "cat", "/etc/hosts")
		for _, want := range []string{"127.0.0.1\tlocalhost", "harbour"} {
			if !strings.Contains(hosts, want) {
				t.Errorf("/etc/hosts lacks %q: %s", want, hosts)
			}
		}
		gateway := e.OK(t, "run", "--rm", Image, "sh", "-c", `ip route | sed -n 's/^default via \([^ ]*\).*/\1/p'`)
		e.Want(t, "nameserver "+gateway, "run", "--rm", Image, "grep", "nameserver", "/etc/resolv.conf")
		host, err := os.ReadFile("/etc/resolv.conf")
		if err != nil {
			t.Fatal(err)
		}
		e.Want(t, strings.TrimSuffix(string(host), "\n"), "run", "--rm", "--network", "host", Image, "cat", "/etc/resolv.conf")
	})
}

// networkProcess finds the Env's network process.
func (e *Env) networkProcess(t *testing.T) int {
	t.Helper()
	for _, p := range e.Processes() {
		if len(p.Args) > 1 && p.Args[1] == "netd" {
			return p.PID
		}
	}
	t.Fatal("no network process")
	return 0
}

func TestNetworkProcessKilled(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name, ip := e.serve(t, "still", "-p", "80")
	port := e.hostPort(t, name)
	pid := e.networkProcess(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	WaitGone(t, pid)
	comes(t, "the published port is back", func() bool { got, _ := hear("127.0.0.1:" + port); return got == "still" })
	e.Want(t, "still", "run", "--rm", Image, "nc", "-w", "10", ip, "80")
	pid = e.networkProcess(t)
	e.OK(t, "rm", "-f", name)
	WaitGone(t, pid)
	if left, _ := filepath.Glob(filepath.Join(e.Runtime, "rl", "*.sock")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
