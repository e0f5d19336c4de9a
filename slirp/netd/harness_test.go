package netd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/gvisor"
)

// The tests of this package that move packets run in a host of their own: a
// network namespace with one interface, owned by one user namespace (as the
// real host's is owned by the first one), in which rl's user namespace is a
// child. Nothing leaves the machine.
//
//	outer  sets up the host's network, runs inner, is init of a pid namespace
//	inner  runs the test itself, in the role of the monitors
//	netd   is the network process, started by the client
//	uplink is the built-in one, started by netd
const (
	roleVariable = "RL_TEST_ROLE"
	roleOuter    = "outer"
	roleInner    = "inner"
	roleNetd     = "netd"
	roleBuiltin  = "uplink"
)

// hostAddress and hostAddress6 are those of the test's host.
const (
	hostAddress  = "192.0.2.10"
	hostAddress6 = "2001:db8::10"
)

// envNoIPv6 makes a host that has IPv4 only.
const envNoIPv6 = "RL_TEST_NO_IPV6"

func TestMain(m *testing.M) {
	var err error
	switch role() {
	case roleBuiltin:
		err = gvisor.Main(os.Args[2:])
	case roleOuter:
		err = outer()
	case roleNetd:
		err = testNetd()
	default:
		os.Exit(m.Run())
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// role is what this process is. The built-in uplink inherits the network
// process's environment, so it is told by its arguments.
func role() string {
	if len(os.Args) > 1 && os.Args[1] == roleBuiltin {
		return roleBuiltin
	}
	return os.Getenv(roleVariable)
}

// onHost runs the calling test again inside a host of its own and reports
// whether this is that run.
func onHost(t *testing.T) bool {
	t.Helper()
	if os.Getenv(roleVariable) == roleInner {
		return true
	}
	cmd := again(roleOuter, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=300s")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		UidMappings:                []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		GidMappingsEnableSetgroups: false,
		Pdeathsig:                  unix.SIGKILL,
	}
	output, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		skip(t, "user namespaces: %v", err)
	}
	t.Logf("%s", output)
	if strings.Contains(string(output), "--- SKIP") {
		skip(t, "see above")
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// skip skips the test for want of what is named, unless skips are faults.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("RL_NO_SKIP") != "" {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// again prepares this test program in another role.
func again(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

func outer() error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := setUpHost(); err != nil {
		return fmt.Errorf("setting up the test's host: %w", err)
	}
	cmd := again(roleInner, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	}
	return cmd.Run()
}

// setUpHost gives the host an interface with a default route, and lets
// everybody listen from port 53 on.
func setUpHost() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("53"), 0); err != nil {
		return err
	}
	if pings := os.Getenv(envPing); pings != "" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(pings), 0); err != nil {
			return err
		}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "h0"
	if err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "h1"}); err != nil {
		return err
	}
	for _, name := range []string{"lo", "h1", "h0"} {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		if name == "h0" {
			if err := h.AddrAdd(link, address(netip.MustParsePrefix(hostAddress+"/24"))); err != nil {
				return err
			}
		}
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
	}
	if err := h.RouteAdd(&netlink.Route{Gw: net.ParseIP("192.0.2.1")}); err != nil || os.Getenv(envNoIPv6) != "" || !hasIPv6() {
		return err
	}
	return setUpHostIPv6(h)
}

func setUpHostIPv6(h *netlink.Handle) error {
	link, err := h.LinkByName("h0")
	if err != nil {
		return err
	}
	if err := h.AddrAdd(link, address6(netip.MustParsePrefix(hostAddress6+"/64"))); err != nil {
		return err
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP("2001:db8::1")})
}

// Environment of the network process in tests.
const (
	envRuntime = "RL_TEST_RUNTIME"
	envUplinks = "RL_TEST_UPLINKS"
	envLinger  = "RL_TEST_LINGER"
	envBuiltin = "RL_TEST_BUILTIN"
)

// denialsName is a file with a line for each denial.
const denialsName = "denials"

func testNetd() error {
	opts := Options{
		RuntimeDir: os.Getenv(envRuntime),
		Uplinks:    strings.Fields(os.Getenv(envUplinks)),
		ResolvConf: filepath.Join(os.Getenv(envRuntime), "resolv.conf"),
		Log:        os.Stderr,
	}
	denials, err := os.OpenFile(filepath.Join(os.Getenv(envRuntime), denialsName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	opts.Denied = func(d slirp.Denial) { fmt.Fprintln(denials, d.ID, d.Destination) }
	if os.Getenv(envBuiltin) != "" {
		opts.Builtin = func() ([]string, error) { return []string{"/proc/self/exe", roleBuiltin}, nil }
	}
	linger, err := time.ParseDuration(os.Getenv(envLinger))
	if err != nil {
		return err
	}
	opts.Linger = linger
	return Serve(context.Background(), os.NewFile(3, "ready"), opts)
}

// host is the test's view of one user on the test's host.
type host struct {
	t       *testing.T
	runtime string
}

// newHost prepares a user whose network process tries uplinks in this order.
func newHost(t *testing.T, uplinks ...string) *host {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(roleVariable, roleNetd) // for the network process; this process has read it
	t.Setenv(envRuntime, dir)
	t.Setenv(envUplinks, strings.Join(uplinks, " "))
	t.Setenv(envLinger, "200ms")
	h := &host{t: t, runtime: dir}
	h.setResolvConf("nameserver 127.0.0.53\n")
	return h
}

func (h *host) setResolvConf(text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.runtime, "resolv.conf"), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// client connects as a monitor does.
func (h *host) client() *slirp.Client {
	h.t.Helper()
	return h.clientWith(func(line string) { h.t.Error(line) })
}

func (h *host) clientWith(warn func(string)) *slirp.Client {
	h.t.Helper()
	c, err := slirp.Connect(h.t.Context(), slirp.Options{
		RuntimeDir: h.runtime,
		Command:    []string{"/proc/self/exe"},
		Log:        os.Stderr,
		Warn:       warn,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// container is a network namespace with its attachment.
type testContainer struct {
	t     *testing.T
	id    string
	netns *os.File
	*slirp.Attachment
	client *slirp.Client
}

// container attaches a new network namespace.
func (h *host) container(id string, ports ...string) *testContainer {
	h.t.Helper()
	return h.containerOf(h.client(), id, ports...)
}

func (h *host) containerOf(client *slirp.Client, id string, ports ...string) *testContainer {
	h.t.Helper()
	e := slirp.Endpoint{ID: id, Name: id}
	for _, spec := range ports {
		p, err := slirp.ParsePorts(spec)
		if err != nil {
			h.t.Fatal(err)
		}
		e.Ports = append(e.Ports, p...)
	}
	return h.attach(client, e)
}

func (h *host) attach(client *slirp.Client, e slirp.Endpoint) *testContainer {
	h.t.Helper()
	c := &testContainer{t: h.t, id: e.ID, netns: newNetns(h.t), client: client}
	a, err := c.client.Attach(h.t.Context(), c.netns, e)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, w := range a.Warnings {
		h.t.Error(w)
	}
	c.Attachment = a
	return c
}

// newNetns makes a network namespace owned by this process's user namespace.
func newNetns(t *testing.T) *os.File {
	t.Helper()
	ns, err := newNamespace(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.close)
	return ns.file
}

// in runs f on a thread in the container's network namespace.
func (c *testContainer) in(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Setns(int(c.netns.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// dial connects from the container. The socket is made in its namespace.
func (c *testContainer) dial(network, address string) (conn net.Conn, err error) {
	err = c.in(func() error {
		conn, err = net.DialTimeout(network, address, patience)
		return err
	})
	return conn, err
}

// shut reports whether no connection comes about. What is open answers in
// microseconds, so it does not wait for long.
func (c *testContainer) shut(address string) bool { return !c.connects(address, time.Second) }

// connects reports whether a connection comes about in time.
func (c *testContainer) connects(address string, timeout time.Duration) bool {
	err := c.in(func() error {
		conn, err := net.DialTimeout("tcp", address, timeout)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return err == nil
}

func (c *testContainer) listen(network, address string) net.Listener {
	c.t.Helper()
	var l net.Listener
	err := c.in(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	return l
}

func (c *testContainer) listenPackets(network, address string) net.PacketConn {
	c.t.Helper()
	var conn net.PacketConn
	err := c.in(func() (err error) {
		conn, err = net.ListenPacket(network, address)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return conn
}

// tellAddress answers every connection with the client's address.
func tellAddress(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		io.WriteString(conn, host)
		conn.Close()
	}
}

// ask reads everything from a connection.
func ask(conn net.Conn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(conn)
	return string(text), err
}

// hostServer listens in the host's namespace and answers with client addresses.
func hostServer(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go tellAddress(l)
	return l.Addr().String()
}
