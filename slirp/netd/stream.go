package netd

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// streamPort is one published TCP port: each connection to it is joined with
// one to the container.
type streamPort struct {
	forwarder *forwarder
	to        receiver
	port      uint16 // of the container
	listener  *net.TCPListener

	mu     sync.Mutex
	conns  map[*net.TCPConn]bool
	closed bool
}

// listenStreams listens on the host port of m for a container.
// Without an address that is on IPv4 and IPv6 at once.
func listenStreams(f *forwarder, m slirp.PortMapping, host uint16, to receiver) (*streamPort, error) {
	listener, err := net.Listen(protocol(m), net.JoinHostPort(hostIP(m), strconv.Itoa(int(host))))
	if err != nil {
		return nil, err
	}
	p := &streamPort{
		forwarder: f, to: to, port: m.Container,
		listener: listener.(*net.TCPListener), conns: map[*net.TCPConn]bool{},
	}
	go p.accept()
	return p, nil
}

// accept takes connections until close.
func (p *streamPort) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely; connections that end free some.
			p.forwarder.log.Printf("published ports: %v", err)
			time.Sleep(faultPause)
			continue
		}
		go p.serve(client)
	}
}

// serve joins one client with the container until both have said all.
func (p *streamPort) serve(client *net.TCPConn) {
	defer p.drop(client)
	p.forwarder.touch()
	if !p.keep(client) {
		return
	}
	from, _ := client.RemoteAddr().(*net.TCPAddr)
	container, err := p.connect(from.AddrPort())
	if err != nil {
		return
	}
	defer p.drop(container)
	if !p.keep(container) {
		return
	}
	answered := make(chan struct{})
	go func() {
		pass(client, container)
		close(answered)
	}()
	pass(container, client)
	<-answered
}

// smallSize is as much as is passed on through a buffer. What fills one is
// spliced: that takes a pipe and more system calls, for which nothing is copied.
const smallSize = 16 << 10

// smallBuffers are lent while there is something to pass on.
var smallBuffers = sync.Pool{New: func() any { return new([smallSize]byte) }}

// pass copies until from has said all or to is gone.
func pass(to, from *net.TCPConn) {
	if passSmall(to, from) {
		io.Copy(to, from)
	}
	to.CloseWrite()
}

// passSmall copies until so much comes at once that splicing pays, which it
// reports, or until the end.
func passSmall(to, from *net.TCPConn) (much bool) {
	raw, err := from.SyscallConn()
	if err != nil {
		return false
	}
	raw.Read(func(fd uintptr) (done bool) {
		b := smallBuffers.Get().(*[smallSize]byte)
		defer smallBuffers.Put(b)
		for !much {
			n, err := unix.Read(int(fd), b[:])
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				return err != unix.EAGAIN
			}
			if _, err := to.Write(b[:n]); err != nil {
				return true
			}
			much = n == len(b)
		}
		return true
	})
	return much
}

// keep remembers a connection for close; false when it comes too late.
func (p *streamPort) keep(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = true
	}
	return !p.closed
}

func (p *streamPort) drop(c *net.TCPConn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// close stops listening and ends all connections.
func (p *streamPort) close() {
	p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.conns {
		// Closing one would wait for who writes to the other meanwhile.
		c.SetDeadline(time.Unix(1, 0))
	}
}

// connect makes a connection to the container, with the client's address where
// that can be.
func (p *streamPort) connect(client netip.AddrPort) (*net.TCPConn, error) {
	socket, err := p.dial(client)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func (p *streamPort) dial(client netip.AddrPort) (*os.File, error) {
	if source := clientSource(client, p.to.ip6); source.IsValid() {
		socket, err := p.forwarder.ns.dial(unix.SOCK_STREAM, netip.AddrPortFrom(p.to.ip6, p.port), source)
		if err == nil {
			return socket, nil
		} // a server may listen on IPv4 only
	}
	return p.forwarder.dialFrom(unix.SOCK_STREAM, netip.AddrPortFrom(p.to.ip, p.port), client)
}
