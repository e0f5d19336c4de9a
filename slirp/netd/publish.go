package netd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rl-project/rl/slirp"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/parent"
	"golang.org/x/sys/unix"
)

// publisher listens on host ports: for UDP by itself, see datagramPort, for TCP by
// rootlesskit's built-in port driver. The driver's parent side accepts and copies; for each connection it asks, over a
// Unix socket, for one to the container. forwarder answers those questions
// instead of the driver's child side, which needs the iptables program to keep
// a client's address.
type publisher struct {
	driver    port.ParentDriver
	forwarder *forwarder

	mu     sync.Mutex
	active map[*published]bool
}

// published is one port that is listened on.
type published struct {
	publisher *publisher
	stop      func()            // ends listening and the connections
	mapping   slirp.PortMapping // with the host port that was really taken
	owner     string            // the container's name
}

// freePortTries bounds the search for a free port: between finding one and
// listening on it, another process may take it.
const freePortTries = 32

func newPublisher(runtimeDir string, ns *namespace, log *log.Logger, touch func()) (*publisher, error) {
	// The driver joins its folder with a name to a socket's path: by this way
	// it fits the 108 bytes of a socket address.
	dir, err := os.OpenFile(runtimeDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	short := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	driver, err := parent.NewDriver(io.Discard, short, true)
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("port driver: %w", err)
	}
	// Made for a child that is another process.
	os.Remove(filepath.Join(runtimeDir, ".bp-ready.pipe"))
	f, err := newForwarder(dir, driver.OpaqueForChild(), ns, log, touch)
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("port driver: %w", err)
	}
	return &publisher{driver: driver, forwarder: f, active: map[*published]bool{}}, nil
}

func (p *publisher) close() { p.forwarder.close() }

// add listens for m on behalf of the container called owner with address ip.
func (p *publisher) add(m slirp.PortMapping, ip netip.Addr, owner string) (*published, error) {
	var err error
	for host := range hostPorts(m) {
		if host == 0 {
			if host, err = freePort(m); err != nil {
				break
			}
		}
		var stop func()
		if stop, err = p.listen(m, host, ip); err == nil {
			m.Host, m.HostEnd = host, 0
			return p.note(&published{publisher: p, stop: stop, mapping: m, owner: owner}), nil
		}
		if !inUse(err) {
			break
		}
	}
	return nil, p.explain(m, err)
}

func (p *publisher) listen(m slirp.PortMapping, host uint16, ip netip.Addr) (stop func(), err error) {
	if m.Protocol == "udp" {
		port, err := listenDatagrams(p.forwarder, m, host, ip)
		if err != nil {
			return nil, err
		}
		return port.close, nil
	}
	status, err := p.driver.AddPort(context.Background(), portSpec(m, host, ip))
	if err != nil {
		return nil, err
	}
	return func() { p.driver.RemovePort(context.Background(), status.ID) }, nil
}

func (p *publisher) note(published *published) *published {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active[published] = true
	return published
}

// close stops listening and ends the connections over the port.
func (p *published) close() {
	p.stop()
	p.publisher.mu.Lock()
	defer p.publisher.mu.Unlock()
	delete(p.publisher.active, p)
}

// holder says, as " by ...", which container has a port that m may have. Who
// else may have it cannot be seen from this user namespace.
func (p *publisher) holder(m slirp.PortMapping) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.active {
		if a.mapping.Protocol == m.Protocol && a.mapping.Host >= m.Host && a.mapping.Host <= max(m.Host, m.HostEnd) {
			return slirp.ByContainer + a.owner
		}
	}
	return ""
}

// hostPorts yields the ports to try; 0 stands for any free one.
func hostPorts(m slirp.PortMapping) func(func(uint16) bool) {
	return func(yield func(uint16) bool) {
		if m.Host == 0 {
			for range freePortTries {
				if !yield(0) {
					return
				}
			}
			return
		}
		for host := int(m.Host); host <= max(int(m.Host), int(m.HostEnd)); host++ {
			if !yield(uint16(host)) {
				return
			}
		}
	}
}

// portSpec is the driver's form of m. Without an address it listens on IPv4
// and IPv6 at once.
func portSpec(m slirp.PortMapping, host uint16, ip netip.Addr) port.Spec {
	return port.Spec{
		Proto: protocol(m), ParentIP: hostIP(m), ParentPort: int(host),
		ChildIP: ip.String(), ChildPort: int(m.Container),
	}
}

func protocol(m slirp.PortMapping) string {
	switch {
	case !m.HostIP.IsValid():
		return m.Protocol
	case m.HostIP.Is4():
		return m.Protocol + "4"
	}
	return m.Protocol + "6"
}

func hostIP(m slirp.PortMapping) string {
	if !m.HostIP.IsValid() {
		return ""
	}
	return m.HostIP.String()
}

// freePort asks the kernel for a port that nobody uses.
func freePort(m slirp.PortMapping) (uint16, error) {
	address := net.JoinHostPort(hostIP(m), "0")
	if m.Protocol == "udp" {
		conn, err := net.ListenPacket(protocol(m), address)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return uint16(conn.LocalAddr().(*net.UDPAddr).Port), nil
	}
	listener, err := net.Listen(protocol(m), address)
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return uint16(listener.Addr().(*net.TCPAddr).Port), nil
}

// inUse reports a port that somebody has: another process, or, by the driver's
// own books, another container.
func inUse(err error) bool {
	return errors.Is(err, unix.EADDRINUSE) || strings.HasPrefix(err.Error(), "conflict with ID")
}

// explain turns the driver's error into one line with the way out.
func (p *publisher) explain(m slirp.PortMapping, err error) error {
	what := fmt.Sprintf("cannot publish %s", m)
	switch {
	case inUse(err):
		return fmt.Errorf("%s: %w%s", what, slirp.ErrPortInUse, p.holder(m))
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: %s", what, slirp.ErrLowPort, lowPortHelp(m))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %w: the host has no address %s", what, slirp.ErrAddress, m.HostIP)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func lowPortHelp(m slirp.PortMapping) string {
	return fmt.Sprintf("an administrator can allow it with `sysctl -w net.ipv4.ip_unprivileged_port_start=%d`, "+
		"or take a port from %d on", m.Host, slirp.UnprivilegedPortStart())
}
