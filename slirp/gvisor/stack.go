package gvisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/services/forwarder"
	"github.com/containers/gvisor-tap-vsock/pkg/tap"
	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// device is the stack's only one.
const device = 1

// maxDials bounds the connections that are being made at once: one to a host
// that is not there takes minutes to fail.
const maxDials = 512

// config is the little network between the tap device and the stack.
type config struct {
	subnet  netip.Prefix
	gateway netip.Addr // the stack's address
	mtu     uint32
}

// run moves frames between the tap device and the stack until one fails.
func (c config) run(frames net.Conn) error {
	link, err := tap.NewLinkEndpoint(false, c.mtu, gatewayMAC, c.gateway.String(), nil)
	if err != nil {
		return err
	}
	wire := tap.NewSwitch(false)
	link.Connect(wire)
	wire.Connect(link)
	s, err := c.newStack(link)
	if err != nil {
		return err
	}
	streams := tcp.NewForwarder(s, 0, maxDials, connectOut)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, streams.HandlePacket)
	// No address is translated. Cloud machines serve their metadata on a
	// link-local address; the other uplinks let containers ask for it too.
	datagrams := forwarder.UDP(s, nil, new(sync.Mutex), true)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, datagrams.HandlePacket)
	return wire.Accept(context.Background(), frames, types.VfkitProtocol)
}

// newStack makes a stack that takes every address for its own: what it is sent
// is for the world.
func (c config) newStack(link stack.LinkEndpoint) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := s.CreateNIC(device, link); err != nil {
		return nil, errors.New(err.String())
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(c.gateway.As4()).WithPrefix()}
	if err := s.AddProtocolAddress(device, own, stack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	s.SetSpoofing(device, true)
	s.SetPromiscuousMode(device, true)
	mask := net.CIDRMask(c.subnet.Bits(), 32)
	subnet, err := tcpip.NewSubnet(tcpip.AddrFrom4(c.subnet.Masked().Addr().As4()), tcpip.MaskFromBytes(mask))
	if err != nil {
		return nil, fmt.Errorf("subnet %s: %w", c.subnet, err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: subnet, NIC: device}})
	return s, nil
}
