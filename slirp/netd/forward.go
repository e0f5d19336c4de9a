package netd

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connectTimeout is how long a container may take to accept. On the bridge it
// takes microseconds; only a container that drops packets reaches this.
const connectTimeout = 3 * time.Second

// forwarder makes the connections of published ports to containers: sockets of
// the bridge's namespace, with the client's own address.
//
// A connection with the client's address is answered to that address, which
// is the world's. Its socket carries socketMark, by which the firewall knows
// the answers and has them delivered here (see setupFirewall).
type forwarder struct {
	ns    *namespace
	log   *log.Logger
	touch func() // called for every connection

	plainOnce sync.Once // says once that clients' addresses get lost
}

// dialFrom prefers the client's address and falls back to the bridge's.
func (f *forwarder) dialFrom(kind int, target, client netip.AddrPort) (*os.File, error) {
	if source := clientSource(client, target.Addr()); source.IsValid() {
		socket, err := f.ns.dial(kind, target, source)
		if err == nil || errors.Is(err, unix.ECONNREFUSED) {
			return socket, err
		}
		f.plainOnce.Do(func() { f.log.Printf("published ports: containers do not see the client's address: %v", err) })
	}
	return f.ns.dial(kind, target, netip.AddrPort{})
}

// clientSource is the address to appear with, if it can be kept: loopback means
// the container itself to the container, a link-local one somebody on its own
// network, and an address of the other family cannot be spoken to.
func clientSource(client netip.AddrPort, target netip.Addr) netip.AddrPort {
	ip := client.Addr().Unmap()
	if !ip.IsValid() || !target.IsValid() || ip.IsLoopback() || ip.Is6() && ip.IsLinkLocalUnicast() || ip.Is4() != target.Is4() || client.Port() == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, client.Port())
}

// dial connects a socket of the bridge's namespace. With a valid source it
// carries that address although it is not ours.
func (ns *namespace) dial(kind int, target, source netip.AddrPort) (*os.File, error) {
	family, fd := unix.AF_INET, 0
	if target.Addr().Is6() {
		family = unix.AF_INET6
	}
	err := ns.do(func() (err error) {
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if source.IsValid() {
		err = bindForeign(fd, source)
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(target))
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, fmt.Errorf("connecting to %s: %w", target, err)
	}
	socket := os.NewFile(uintptr(fd), target.String())
	if err := awaitConnected(socket); err != nil {
		socket.Close()
		return nil, fmt.Errorf("connecting to %s: %w", target, err)
	}
	return socket, nil
}

// connect connects a socket of the bridges' namespace, as net.Dial does.
func (ns *namespace) connect(network string, target netip.AddrPort) (net.Conn, error) {
	kind := unix.SOCK_DGRAM
	if strings.HasPrefix(network, "tcp") {
		kind = unix.SOCK_STREAM
	}
	socket, err := ns.dial(kind, target, netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	return net.FileConn(socket)
}

// bindForeign gives the socket an address that is not this machine's.
func bindForeign(fd int, source netip.AddrPort) error {
	type option struct {
		name               string
		level, option, val int
	}
	transparent := option{"IP_TRANSPARENT", unix.SOL_IP, unix.IP_TRANSPARENT, 1}
	if source.Addr().Is6() {
		transparent = option{"IPV6_TRANSPARENT", unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1}
	}
	options := []option{
		transparent,
		// The same client port may be in use towards another container.
		{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK, socketMark},
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.val); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(source)))
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}

// awaitConnected waits until a connection in progress stands or has failed.
func awaitConnected(socket *os.File) error {
	if err := socket.SetWriteDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			result = err
		case code != 0:
			result = unix.Errno(code)
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil
		}
		return true
	})
	return errors.Join(err, result)
}
