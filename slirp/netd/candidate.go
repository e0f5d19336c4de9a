package netd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rl-project/rl/slirp"
)

// candidate is one kind of uplink.
type candidate struct {
	name string
	// argv is the command, with or without IPv6.
	argv func(ipv6 bool) ([]string, error)
	ipv6 pair6 // not valid if it can carry none
	// tap: the process gets the tap device itself as descriptor 3 instead of
	// the bridge's namespace as descriptor 0.
	tap bool
}

// candidates lists the uplinks to try. What was asked for by name is taken
// whatever its version.
func candidates(opts Options) []candidate {
	names, check := opts.Uplinks, slirp.CheckUplink
	if len(names) == 0 {
		names = slirp.Uplinks()
	} else {
		check = func(string, string) error { return nil }
	}
	find := func(name string) (string, error) {
		path, err := slirp.FindUplink(name)
		if err != nil {
			return "", err
		}
		return path, check(name, path)
	}
	var list []candidate
	for _, name := range names {
		switch name {
		case slirp.Pasta:
			list = append(list, candidate{name: name, argv: pastaCommand(find), ipv6: uplink6})
		case slirp.Slirp4netns:
			list = append(list, candidate{name: name, argv: slirp4netnsCommand(find), ipv6: slirp6})
		case slirp.Builtin:
			list = append(list, candidate{name: name, argv: builtinCommand(opts.Builtin), tap: true})
		}
	}
	return list
}

// command prepares the process. The bridge's namespace is its standard input:
// of all ways to name it, /proc/self/fd/0 is the only one that works for
// programs that drop their capabilities or close their descriptors first.
func (c *candidate) command(ns *namespace, ipv6 bool) (*exec.Cmd, error) {
	argv, err := c.argv(ipv6)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	if !c.tap {
		cmd.Stdin = ns.file
		return cmd, nil
	}
	tap, err := openTap(ns)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{tap}
	return cmd, nil
}

const netnsPath = "/proc/self/fd/0"

// finder returns the path of an uplink's program.
type finder func(name string) (path string, err error)

func pastaCommand(find finder) func(bool) ([]string, error) {
	return func(ipv6 bool) ([]string, error) {
		path, err := find(slirp.Pasta)
		family := []string{"--ipv4-only", "--no-ndp"}
		if ipv6 {
			family = []string{"--address", uplink6.address.String(), "--gateway", uplink6.gateway.String()}
		}
		return append([]string{path,
			"--foreground", "--quiet",
			"--ns-ifname", tapName, "--mtu", fmt.Sprint(mtu),
			"--address", uplinkAddress.String(), "--netmask", fmt.Sprint(uplinkSubnet.Bits()),
			"--gateway", uplinkGateway.String(),
			// The ways to the host's loopback addresses, by the gateway's
			// address and by ports that it listens on in the namespace: shut.
			"--no-map-gw", "--tcp-ns", "none", "--udp-ns", "none",
			"--tcp-ports", "none", "--udp-ports", "none",
			"--no-dhcp", "--no-ra", "--no-dhcpv6",
			"--netns-only", "--no-netns-quit", "--netns", netnsPath,
		}, family...), err
	}
}

func slirp4netnsCommand(find finder) func(bool) ([]string, error) {
	return func(ipv6 bool) ([]string, error) {
		path, err := find(slirp.Slirp4netns)
		argv := []string{path,
			"--mtu", fmt.Sprint(mtu), "--cidr", uplinkSubnet.String(),
			"--disable-host-loopback", "--enable-sandbox",
		}
		if ipv6 {
			argv = append(argv, "--enable-ipv6")
		}
		return append(argv, "--netns-type", "path", netnsPath, tapName), err
	}
}

// builtinCommand has no use for IPv6: the stack of slirp/gvisor knows none.
func builtinCommand(builtin func() ([]string, error)) func(bool) ([]string, error) {
	return func(bool) ([]string, error) {
		if builtin == nil {
			return nil, errors.New("not part of this program")
		}
		argv, err := builtin()
		if err != nil {
			return nil, err
		}
		return append(argv, uplinkSubnet.String(), uplinkGateway.String(), fmt.Sprint(mtu)), nil
	}
}

// tail keeps the last words of a process, for the message about its end.
type tail struct {
	mu   sync.Mutex
	last string
}

const tailSize = 500

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last += string(b)
	t.last = t.last[max(0, len(t.last)-tailSize):]
	return len(b), nil
}

// ReadFrom reads to the end. io.Copy, which package exec uses, prefers it to a
// buffer of 32 kB that it would hold as long as the process lives.
func (t *tail) ReadFrom(r io.Reader) (n int64, err error) {
	b := make([]byte, tailSize)
	for {
		read, err := r.Read(b)
		t.Write(b[:read])
		n += int64(read)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// String returns the words on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(t.last), " ")
}
