// Package gvisor is the built-in uplink, for machines with neither pasta nor
// slirp4netns: gVisor's TCP/IP stack in front of ordinary sockets of the host,
// put together from parts of gvisor-tap-vsock.
//
// Frames go straight between the tap device and the stack; each connection of
// a container becomes one of this process. The host's loopback addresses are
// not reachable: no address of the little network is translated to them.
//
// It is large and slow to start (some 10 ms). Only the full program may import
// it, never the one that answers `rl run`.
package gvisor

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/footprint"
)

// tapDescriptor is where the network process passes the tap device.
const tapDescriptor = 3

// lull is how long traffic is watched before memory is given back: long enough
// that doing so under load, when it is useless, costs nothing to speak of.
const lull = 5 * time.Second

// gatewayMAC is the stack's own hardware address: any that is locally
// administered will do on a network of two.
const gatewayMAC = "02:72:6c:00:00:01"

// Main is the uplink process: args are the subnet, the gateway's address in it
// and the MTU, descriptor 3 is the tap device. It runs in the host's network
// namespace until the tap device goes away or the process is killed.
func Main(args []string) error {
	config, err := configure(args)
	if err != nil {
		return fmt.Errorf("built-in uplink: %w", err)
	}
	if err := unix.SetNonblock(tapDescriptor, true); err != nil {
		return fmt.Errorf("built-in uplink: no tap device as descriptor %d: %w", tapDescriptor, err)
	}
	debug.SetGCPercent(50)
	logrus.SetOutput(io.Discard) // it tells of every connection that is refused
	tap := os.NewFile(tapDescriptor, "tap")
	return config.run(frames{tap, footprint.NewIdler(lull), newPinger(tap, config.gateway)})
}

func configure(args []string) (c config, err error) {
	if len(args) != 3 {
		return c, fmt.Errorf("%d arguments instead of subnet, gateway and MTU", len(args))
	}
	if c.subnet, err = netip.ParsePrefix(args[0]); err != nil {
		return c, err
	}
	if c.gateway, err = netip.ParseAddr(args[1]); err != nil {
		return c, err
	}
	mtu, err := strconv.ParseUint(args[2], 10, 16)
	c.mtu = uint32(mtu)
	return c, err
}

// frames makes the tap device look like a datagram connection: one read or
// write is one frame.
type frames struct {
	tap    *os.File
	idler  *footprint.Idler
	pinger *pinger
}

// Read returns the next frame of a container that is for the stack.
func (f frames) Read(b []byte) (int, error) {
	for {
		f.idler.Touch()
		n, err := f.tap.Read(b)
		if err != nil || !f.pinger.take(b[:n]) {
			return n, err
		}
	}
}

func (f frames) Write(b []byte) (int, error)        { return f.tap.Write(b) }
func (f frames) Close() error                       { return f.tap.Close() }
func (f frames) SetDeadline(t time.Time) error      { return f.tap.SetDeadline(t) }
func (f frames) SetReadDeadline(t time.Time) error  { return f.tap.SetReadDeadline(t) }
func (f frames) SetWriteDeadline(t time.Time) error { return f.tap.SetWriteDeadline(t) }
func (f frames) LocalAddr() net.Addr                { return tapAddress{} }
func (f frames) RemoteAddr() net.Addr               { return tapAddress{} }

type tapAddress struct{}

func (tapAddress) Network() string { return "tap" }
func (tapAddress) String() string  { return "tap" }
