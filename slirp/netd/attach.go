package netd

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/rl-project/rl/slirp"
)

// macPrefix of addresses derived from an IPv4 address, as Docker does it.
const macPrefix = "\x02\x42"

// attached is one container on the network.
type attached struct {
	network *network
	result  slirp.Attachment
	ports   []*published
}

// attach connects the container's namespace. Every step undoes the ones before
// when it fails.
func (n *network) attach(ctx context.Context, netns *os.File, e slirp.Endpoint, restore *slirp.Attachment) (*attached, error) {
	a := &attached{network: n}
	if restore != nil {
		e.IPAddress, e.MACAddress, e.Ports = restore.IPAddress, restore.MACAddress, restore.Ports
	}
	if err := a.reserve(e, restore != nil); err != nil {
		return nil, err
	}
	if restore != nil {
		a.result.HostInterface = restore.HostInterface
	}
	if err := a.connect(ctx, netns, e, restore != nil); err != nil {
		a.release()
		return nil, err
	}
	return a, nil
}

// reserve takes an address and fills in the result.
func (a *attached) reserve(e slirp.Endpoint, restore bool) error {
	n := a.network
	n.mu.Lock()
	defer n.mu.Unlock()
	ip, err := n.pool.take(e.IPAddress, restore)
	if err != nil {
		return err
	}
	mac, err := hardwareAddress(e.MACAddress, ip)
	if err != nil {
		n.pool.free(ip)
		return err
	}
	n.attached++
	a.result = slirp.Attachment{
		Network: slirp.DefaultNetwork, Interface: slirp.DefaultInterface,
		IPAddress: ip, PrefixLen: n.subnet.Bits(), Gateway: n.gateway, DNS: n.gateway,
		MACAddress: mac.String(), MTU: mtu,
		HostInterface: vethName(ip),
	}
	return nil
}

func (a *attached) connect(ctx context.Context, netns *os.File, e slirp.Endpoint, restore bool) error {
	if err := a.wire(netns, restore); err != nil {
		return err
	}
	if err := a.publish(e, restore); err != nil {
		return err
	}
	name, err := a.network.uplink.wait(ctx)
	if err != nil {
		a.warn("containers reach one another but not the world: %v", err)
	}
	a.result.Uplink = name
	return nil
}

func (a *attached) warn(format string, args ...any) {
	a.result.Warnings = append(a.result.Warnings, fmt.Sprintf(format, args...))
}

// publish listens for every port, up to the first that cannot be had. A
// container that is restored runs already and keeps the others.
func (a *attached) publish(e slirp.Endpoint, restore bool) error {
	for _, p := range e.Ports {
		published, err := a.network.publisher.add(p, a.result.IPAddress, cmp.Or(e.Name, e.ID))
		if err != nil && !restore {
			return err
		}
		if err != nil {
			a.warn("a published port is lost: %v", err)
			continue
		}
		a.ports = append(a.ports, published)
		a.result.Ports = append(a.result.Ports, published.mapping)
	}
	return nil
}

// vethGrace is how long a veth pair gets to vanish with the container's
// namespace. Removing it ourselves takes the kernel's network lock for some 15
// ms, in which no other container can start.
const vethGrace = 500 * time.Millisecond

// release frees the ports at once and the address when the veth pair is gone.
func (a *attached) release() {
	for _, p := range a.ports {
		p.close()
	}
	a.network.count(-1)
	time.AfterFunc(vethGrace, func() {
		if err := deleteLink(a.network.h, a.result.HostInterface); err != nil {
			a.network.log.Printf("removing %s: %v", a.result.HostInterface, err)
		}
		a.network.free(a.result.IPAddress)
	})
}

func (n *network) count(change int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attached += change
}

func (n *network) free(ip netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pool.free(ip)
}

// hardwareAddress parses the wanted MAC address, or derives one from ip.
func hardwareAddress(wanted string, ip netip.Addr) (net.HardwareAddr, error) {
	if wanted == "" {
		return macFor(ip), nil
	}
	mac, err := net.ParseMAC(wanted)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%w: %q is not a MAC address like 02:42:ac:11:00:02", slirp.ErrAddress, wanted)
	}
	if mac[0]&1 != 0 {
		return nil, fmt.Errorf("%w: MAC address %s is a group's, its first byte must be even", slirp.ErrAddress, wanted)
	}
	return mac, nil
}

func macFor(ip netip.Addr) net.HardwareAddr {
	return append(net.HardwareAddr(macPrefix), ip.AsSlice()...)
}
