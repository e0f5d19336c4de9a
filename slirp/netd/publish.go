package netd

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// publisher listens on host ports: see streamPort and datagramPort.
type publisher struct {
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

// receiver is the container that a port leads to.
type receiver struct {
	name string
	ip   netip.Addr
	ip6  netip.Addr // not valid where there is none, or it may not answer over it
}

// freePortTries bounds the search for a free port: between finding one and
// listening on it, another process may take it.
const freePortTries = 32

func newPublisher(ns *namespace, log *log.Logger, touch func()) *publisher {
	return &publisher{forwarder: &forwarder{ns: ns, log: log, touch: touch}, active: map[*published]bool{}}
}

// add listens for m on behalf of a container.
func (p *publisher) add(m slirp.PortMapping, to receiver) (*published, error) {
	var err error
	for host := range hostPorts(m) {
		if host == 0 {
			if host, err = freePort(m); err != nil {
				break
			}
		}
		var stop func()
		if stop, err = p.listen(m, host, to); err == nil {
			m.Host, m.HostEnd = host, 0
			return p.note(&published{publisher: p, stop: stop, mapping: m, owner: to.name}), nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	return nil, p.explain(m, err)
}

func (p *publisher) listen(m slirp.PortMapping, host uint16, to receiver) (stop func(), err error) {
	if m.Protocol == "udp" {
		port, err := listenDatagrams(p.forwarder, m, host, to)
		if err != nil {
			return nil, err
		}
		return port.close, nil
	}
	port, err := listenStreams(p.forwarder, m, host, to)
	if err != nil {
		return nil, err
	}
	return port.close, nil
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

// explain turns the error of listening into one line with the way out.
func (p *publisher) explain(m slirp.PortMapping, err error) error {
	what := fmt.Sprintf("cannot publish %s", m)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
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
