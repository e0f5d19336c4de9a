package netd

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/rl-project/rl/slirp"
	"golang.org/x/sys/unix"
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
	target    netip.AddrPort
	conn      *net.UDPConn

	mu     sync.Mutex
	flows  map[flowKey]*flow
	closed bool
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
}

// buffers are lent for one datagram at a time: a client that is waited for
// holds none.
var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// listenDatagrams listens on the host port of m for the container at target.
func listenDatagrams(f *forwarder, m slirp.PortMapping, host uint16, ip netip.Addr) (*datagramPort, error) {
	address := net.UDPAddrFromAddrPort(netip.AddrPortFrom(m.HostIP, host))
	conn, err := net.ListenUDP(protocol(m), address)
	if err != nil {
		return nil, err
	}
	if err := tellLocalAddress(conn); err != nil {
		conn.Close()
		return nil, err
	}
	p := &datagramPort{forwarder: f, target: netip.AddrPortFrom(ip, m.Container), conn: conn, flows: map[flowKey]*flow{}}
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
	f := p.flow(key)
	if f == nil {
		return
	}
	raw, err := f.socket.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		// What the container refused before is said by the first write after it.
		if _, err := unix.Write(int(fd), data); err == unix.ECONNREFUSED {
			unix.Write(int(fd), data)
		}
	})
	f.socket.SetReadDeadline(time.Now().Add(flowIdle))
}

// flow finds or makes the socket for a client; nil if it cannot be had.
func (p *datagramPort) flow(key flowKey) *flow {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.flows[key]; f != nil || p.closed || len(p.flows) >= maxFlows {
		return f
	}
	socket, err := p.forwarder.dialFrom(unix.SOCK_DGRAM, p.target, key.client)
	if err != nil {
		return nil
	}
	f := &flow{key, socket}
	p.flows[key] = f
	socket.SetReadDeadline(time.Now().Add(flowIdle))
	go p.reply(f)
	return f
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
			failed = p.relay(int(fd), f.key)
			return failed != unix.EAGAIN
		})
		// Nobody listening now may be somebody in a moment.
		if err != nil || failed != nil && failed != unix.ECONNREFUSED && failed != unix.EINTR {
			return
		}
	}
}

// relay passes on one datagram that is there already.
func (p *datagramPort) relay(fd int, key flowKey) error {
	b := buffers.Get().(*[maxDatagram]byte)
	defer buffers.Put(b)
	n, err := unix.Read(fd, b[:])
	if err == nil {
		p.conn.WriteMsgUDPAddrPort(b[:n], []byte(key.local), key.client)
	}
	return err
}

func (p *datagramPort) forget(f *flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flows, f.key)
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
