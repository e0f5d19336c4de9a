package netd

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// Bounds on what the clients of one published UDP port can make it hold.
const (
	maxFlows = 1024
	// flowIdle is how long a client may be silent, as with the kernel's
	// connection tracking for datagrams that went both ways.
	flowIdle    = 2 * time.Minute
	maxDatagram = 65535
)

// datagramPort is one published UDP port. For each client there is a socket
// towards the container, which carries the client's own address: the container
// sees who asks.
type datagramPort struct {
	forwarder *forwarder
	to        receiver
	port      uint16 // of the container
	conn      *net.UDPConn

	mu       sync.Mutex
	flows    map[flowKey]*flow
	refused6 bool // nobody listens on the container's IPv6 address
	closed   bool
}

// flowKey tells clients apart; local is the address of this machine that the
// client sent to and expects the answer from.
type flowKey struct {
	client netip.AddrPort
	local  string // a control message, see answerFrom
}

type flow struct {
	key    flowKey
	socket *os.File // connected to the container
	six    bool     // over IPv6
	// first is what a flow over IPv6 began with, until there is an answer: if
	// the container refuses it, it is said again over IPv4.
	first atomic.Pointer[[]byte]
}

// maxFirst is the longest datagram that is kept to be said again. A question
// to a name server and the beginning of QUIC are shorter.
const maxFirst = 2048

// buffers are lent for one datagram at a time: a client that is waited for
// holds none.
var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// listenDatagrams listens on the host port of m for a container.
func listenDatagrams(f *forwarder, m slirp.PortMapping, host uint16, to receiver) (*datagramPort, error) {
	address := net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.HostIP, host))
	conn, err := net.ListenUDP(protocol(m), address)
	if err != nil {
		return nil, err
	}
	if err := tellLocalAddress(conn); err != nil {
		conn.Close()
		return nil, err
	}
	p := &datagramPort{forwarder: f, to: to, port: m.Container, conn: conn, flows: map[flowKey]*flow{}}
	go p.receive()
	return p, nil
}

// tellLocalAddress has the kernel say, with each datagram, which address it
// was sent to. Of the two options one is for the other family.
func tellLocalAddress(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var err4, err6 error
	err = raw.Control(func(fd uintptr) {
		err4 = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1)
		err6 = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err == nil && err4 != nil && err6 != nil {
		err = os.NewSyscallError("setsockopt IP_PKTINFO", err4)
	}
	return err
}

// receive passes on what clients send, until close.
func (p *datagramPort) receive() {
	control := make([]byte, 256)
	for {
		// Waiting with an empty buffer would lose the datagram; so one stays here.
		b := buffers.Get().(*[maxDatagram]byte)
		n, c, _, client, err := p.conn.ReadMsgUDPAddrPort(b[:], control)
		if err == nil {
			p.forwarder.touch()
			p.send(flowKey{client, answerFrom(control[:c])}, b[:n])
		}
		buffers.Put(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// send is never told of an error: a datagram may get lost.
func (p *datagramPort) send(key flowKey, data []byte) {
	f := p.flow(key, data)
	if f == nil {
		return
	}
	raw, err := f.socket.SyscallConn()
	if err != nil {
		return
	}
	refused := false
	raw.Control(func(fd uintptr) {
		// What the container refused before is said by the first write after it.
		if _, err := unix.Write(int(fd), data); err == unix.ECONNREFUSED {
			if refused = p.hasChoice(key); !refused {
				unix.Write(int(fd), data)
			}
		}
	})
	if refused {
		p.turn(f)
		p.send(key, data)
		return
	}
	f.socket.SetReadDeadline(time.Now().Add(flowIdle))
}

// flow finds or makes the socket for a client, which data is to begin with; nil
// if it cannot be had.
func (p *datagramPort) flow(key flowKey, data []byte) *flow {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.flows[key]; f != nil || p.closed || len(p.flows) >= maxFlows {
		return f
	}
	f := &flow{key: key, six: p.hasChoice(key) && !p.refused6}
	if f.six && len(data) <= maxFirst {
		first := slices.Clone(data)
		f.first.Store(&first)
	}
	var err error
	if f.socket, err = p.dial(f); err != nil {
		return nil
	}
	p.flows[key] = f
	f.socket.SetReadDeadline(time.Now().Add(flowIdle))
	go p.reply(f)
	return f
}

func (p *datagramPort) dial(f *flow) (*os.File, error) {
	if f.six {
		return p.forwarder.dialFrom(unix.SOCK_DGRAM, netip.AddrPortFrom(p.to.ip6, p.port), f.key.client)
	}
	return p.forwarder.dialFrom(unix.SOCK_DGRAM, netip.AddrPortFrom(p.to.ip, p.port), f.key.client)
}

// hasChoice reports whether a client's address can be kept over IPv6. Whether
// the container listens there is known only when something was sent to it.
func (p *datagramPort) hasChoice(key flowKey) bool {
	return clientSource(key.client, p.to.ip6).IsValid()
}

// turn ends a flow over a family that the container does not listen on now, and
// begins again over the other. If that is refused as well, the next datagram
// begins where this one did.
func (p *datagramPort) turn(f *flow) {
	p.forget(f)
	p.mu.Lock()
	p.refused6 = f.six
	p.mu.Unlock()
	if first := f.first.Swap(nil); first != nil {
		p.send(f.key, *first)
	}
}

// reply passes on what the container answers, until the client was silent for
// flowIdle or the port is closed.
func (p *datagramPort) reply(f *flow) {
	defer p.forget(f)
	raw, err := f.socket.SyscallConn()
	if err != nil {
		return
	}
	for {
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			failed = p.relay(int(fd), f)
			return failed != unix.EAGAIN
		})
		if err == nil && failed == unix.ECONNREFUSED && p.hasChoice(f.key) {
			p.turn(f)
			return
		}
		// Nobody listening now may be somebody in a moment.
		if err != nil || failed != nil && failed != unix.ECONNREFUSED && failed != unix.EINTR {
			return
		}
	}
}

// relay passes on one datagram that is there already.
func (p *datagramPort) relay(fd int, f *flow) error {
	b := buffers.Get().(*[maxDatagram]byte)
	defer buffers.Put(b)
	n, err := unix.Read(fd, b[:])
	if err == nil {
		f.first.Store(nil)
		p.conn.WriteMsgUDPAddrPort(b[:n], []byte(f.key.local), f.key.client)
	}
	return err
}

// forget ends a flow, unless that was done.
func (p *datagramPort) forget(f *flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flows[f.key] == f {
		delete(p.flows, f.key)
	}
	f.socket.Close()
}

// close stops listening and ends all flows.
func (p *datagramPort) close() {
	p.conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, f := range p.flows {
		f.socket.SetReadDeadline(time.Now()) // its goroutine closes it
	}
}

// answerFrom turns the control message of a datagram into that of its answer:
// from the same address, by whatever way leads there. It is a string so that
// it can be part of a key.
func answerFrom(control []byte) string {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return ""
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			var info unix.Inet4Pktinfo
			copy(info.Spec_dst[:], m.Data[4:8])
			return string(unix.PktInfo4(&info))
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			var info unix.Inet6Pktinfo
			copy(info.Addr[:], m.Data[:16])
			if netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() { // means nothing without its interface
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:])
			}
			return string(unix.PktInfo6(&info))
		}
	}
	return ""
}
