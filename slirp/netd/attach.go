package netd

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rl-project/rl/slirp"
)

// macPrefix of addresses derived from an IPv4 address, as Docker does it.
const macPrefix = "\x02\x42"

// attached is one container on one network.
type attached struct {
	*bridge
	endpoint slirp.Endpoint
	result   slirp.Attachment
	ports    []*published
	finishes sync.Once

	// Guarded by router.mu.
	names   []string // on a user-defined network, in lower case
	leaving bool     // it has ended and its interface may still be there
}

// attach connects the container's namespace. Every step undoes the ones before
// when it fails.
func (r *router) attach(ctx context.Context, netns *os.File, e slirp.Endpoint, restore *slirp.Attachment) (*attached, error) {
	if restore != nil {
		e.IPAddress, e.IPv6Address, e.MACAddress, e.Ports = restore.IPAddress, restore.IPv6Address, restore.MACAddress, restore.Ports
	}
	e.Interface = cmp.Or(e.Interface, slirp.DefaultInterface)
	a, err := r.reserve(e, restore)
	if err != nil {
		return nil, err
	}
	r.restoring.note(a.result.IPAddress) // its names are known
	if err := a.connect(ctx, netns, restore != nil); err != nil {
		a.release(false)
		return nil, err
	}
	return a, nil
}

// reserve finds the bridge and takes addresses there.
func (r *router) reserve(e slirp.Endpoint, restore *slirp.Attachment) (*attached, error) {
	mac, err := hardwareAddress(e.MACAddress)
	if err != nil {
		return nil, err
	}
	for {
		b, err := r.bridgeFor(e.Network)
		if err != nil {
			return nil, err
		}
		a := &attached{bridge: b, endpoint: e}
		former, err := a.take(mac, restore)
		switch {
		case err != nil:
			b.removeIfUnused()
			return nil, err
		case former != nil:
			former.finish() // as it would in a moment
		case a.result.Interface != "":
			return a, nil
		} // or else its last container has just taken the bridge down
	}
}

// take takes the addresses and fills in the result, which stays empty where the
// bridge is gone. former has one of the addresses and is leaving.
func (a *attached) take(mac net.HardwareAddr, restore *slirp.Attachment) (former *attached, err error) {
	r, e := a.router, a.endpoint
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.removed {
		return nil, nil
	}
	if former := a.holder(e); former != nil && former.leaving {
		return former, nil
	}
	if r.containers[e.ID][a.spec.ID] != nil {
		return nil, fmt.Errorf("container %.12s is on network %s already", e.ID, a.spec.Name)
	}
	ip, ip6, err := a.addresses(restore != nil)
	if err != nil {
		return nil, err
	}
	if mac == nil {
		mac = macFor(ip)
	}
	a.result = slirp.Attachment{
		Network: a.spec.Name, NetworkID: a.spec.ID, Internal: a.spec.Internal, Interface: e.Interface,
		IPAddress: ip, PrefixLen: a.spec.Subnet.Bits(), Gateway: a.spec.Gateway, DNS: a.spec.Gateway,
		MACAddress: mac.String(), MTU: a.mtu, HostInterface: vethName(ip),
	}
	if ip6.IsValid() {
		a.result.IPv6Address, a.result.PrefixLen6, a.result.Gateway6 = ip6, a.spec.Subnet6.Bits(), a.spec.Gateway6
	}
	if restore != nil {
		a.result.HostInterface = restore.HostInterface
	}
	a.names = a.namesOf(e)
	a.endpoints[ip] = a
	if r.containers[e.ID] == nil {
		r.containers[e.ID] = map[string]*attached{}
	}
	r.containers[e.ID][a.spec.ID] = a
	return nil, nil
}

// holder is who has the place or an address that e wants; router.mu is held.
func (b *bridge) holder(e slirp.Endpoint) *attached {
	if a := b.router.containers[e.ID][b.spec.ID]; a != nil {
		return a
	}
	if a := b.endpoints[e.IPAddress]; a != nil || !e.IPv6Address.IsValid() {
		return a
	}
	for _, a := range b.endpoints {
		if a.result.IPv6Address == e.IPv6Address {
			return a
		}
	}
	return nil
}

// addresses takes those that the endpoint wants, or free ones; router.mu is held.
func (a *attached) addresses(restore bool) (ip, ip6 netip.Addr, err error) {
	ip, err = a.pool.take(a.endpoint.IPAddress, restore)
	if err != nil {
		return ip, ip6, a.explain(err)
	}
	if a.pool6 == nil {
		if a.endpoint.IPv6Address.IsValid() {
			a.pool.free(ip)
			return ip, ip6, fmt.Errorf("%w: network %s has no IPv6: create it with --ipv6", slirp.ErrAddress, a.spec.Name)
		}
		return ip, ip6, nil
	}
	// The same place in both subnets: which of them are taken is known from the
	// IPv4 addresses, also after a network process was killed.
	wanted := a.endpoint.IPv6Address
	if same := sameHost(a.spec.Subnet, ip, a.spec.Subnet6); !wanted.IsValid() && a.spec.Subnet6.Contains(same) && a.pool6.used[same] == nobody {
		wanted = same
	}
	if ip6, err = a.pool6.take(wanted, restore); err != nil {
		a.pool.free(ip)
		return ip, ip6, a.explain(err)
	}
	return ip, ip6, nil
}

// explain adds to the error about an address whose it is.
func (a *attached) explain(err error) error {
	if owner := a.holder(a.endpoint); owner != nil {
		return fmt.Errorf("%w: %s", err, cmp.Or(owner.endpoint.Name, owner.endpoint.ID))
	}
	return err
}

// sameHost is the address in subnet6 with the number that ip has in subnet.
func sameHost(subnet netip.Prefix, ip netip.Addr, subnet6 netip.Prefix) netip.Addr {
	from, own, to := subnet.Masked().Addr().As4(), ip.As4(), subnet6.Masked().Addr().As16()
	for i := range own {
		to[12+i] |= own[i] ^ from[i]
	}
	return netip.AddrFrom16(to)
}

func (a *attached) connect(ctx context.Context, netns *os.File, restore bool) error {
	if err := a.restrict(restore); err != nil {
		return err
	}
	if err := a.wire(netns, restore); err != nil {
		return err
	}
	if a.spec.Internal {
		if len(a.endpoint.Ports) > 0 {
			a.warn("no port is published: network %s is internal", a.spec.Name)
		}
		return nil
	}
	if err := a.publish(restore); err != nil {
		return err
	}
	name, err := a.router.uplink.wait(ctx)
	if err != nil {
		a.warn("containers reach one another but not the world: %v", err)
	}
	a.result.Uplink = name
	return nil
}

// restrict sees to it that the container reaches no more than it may, before it
// reaches anything.
func (a *attached) restrict(restore bool) error {
	allowed := a.endpoint.Egress.And(a.spec.Egress)
	if allowed == nil {
		return a.router.egress.apply(a.result.IPAddress, nil, restore)
	}
	a.result.Restricted = true
	return a.router.egress.apply(a.result.IPAddress, &policy{*allowed, a.endpoint.ID, a.endpoint.Name}, restore)
}

func (a *attached) warn(format string, args ...any) {
	a.result.Warnings = append(a.result.Warnings, fmt.Sprintf(format, args...))
}

// publish listens for every port, up to the first that cannot be had. A
// container that is restored runs already and keeps the others.
func (a *attached) publish(restore bool) error {
	e := a.endpoint
	to := receiver{name: cmp.Or(e.Name, e.ID), ip: a.result.IPAddress}
	if !a.result.Restricted { // which cannot answer over IPv6
		to.ip6 = a.result.IPv6Address
	}
	for _, p := range e.Ports {
		published, err := a.router.publisher.add(p, to)
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

// release frees the ports and names at once and the address when the veth pair
// is gone, which is by itself in a moment where the container has ended.
func (a *attached) release(ended bool) {
	for _, p := range a.ports {
		p.close()
	}
	a.router.mu.Lock()
	a.names, a.leaving = nil, true
	a.router.mu.Unlock()
	if ended {
		time.AfterFunc(vethGrace, a.finish)
		return
	}
	a.finish()
}

// finish removes the veth pair and frees the address. It returns when that is
// done, also by another.
func (a *attached) finish() {
	a.finishes.Do(func() {
		r := a.router
		if err := deleteLink(r.h, a.result.HostInterface); err != nil {
			r.log.Printf("removing %s: %v", a.result.HostInterface, err)
		}
		if err := r.egress.clear(a.result.IPAddress); err != nil {
			r.log.Printf("removing the egress policy of %s: %v", a.result.IPAddress, err)
		}
		r.mu.Lock()
		delete(a.endpoints, a.result.IPAddress)
		a.pool.free(a.result.IPAddress)
		if a.pool6 != nil {
			a.pool6.free(a.result.IPv6Address)
		}
		places := r.containers[a.endpoint.ID]
		if delete(places, a.spec.ID); len(places) == 0 {
			delete(r.containers, a.endpoint.ID)
		}
		r.mu.Unlock()
		a.removeIfUnused()
	})
}

// rename gives a container another name on all of its networks.
func (r *router) rename(id, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.containers[id] {
		a.endpoint.Name = name
		if !a.leaving {
			a.names = a.namesOf(a.endpoint)
		}
	}
}

// namesOf lists the names of a container on a user-defined network.
func (b *bridge) namesOf(e slirp.Endpoint) []string {
	if b.spec.ID == "" {
		return nil
	}
	var list []string
	for _, name := range append([]string{e.Name, fmt.Sprintf("%.12s", e.ID), e.Hostname}, e.Aliases...) {
		if name != "" {
			list = append(list, strings.ToLower(name))
		}
	}
	return list
}

// hardwareAddress parses the wanted MAC address; nil if none is.
func hardwareAddress(wanted string) (net.HardwareAddr, error) {
	if wanted == "" {
		return nil, nil
	}
	return slirp.ParseMAC(wanted)
}

func macFor(ip netip.Addr) net.HardwareAddr {
	return append(net.HardwareAddr(macPrefix), ip.AsSlice()...)
}
