package netd

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

// pickSubnet returns the first of candidates that overlaps neither taken
// routes nor a resolver's address.
func pickSubnet(candidates, taken []netip.Prefix) (netip.Prefix, error) {
	for _, c := range candidates {
		if !overlapsAny(c, taken) {
			return c, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet for containers: the host has routes to all of %v to %v",
		candidates[0], candidates[len(candidates)-1])
}

// freeSubnet picks one for the host that the calling thread is in, beside others.
func freeSubnet(resolvers *resolvers, others []netip.Prefix) (netip.Prefix, error) {
	taken, err := takenByHost(resolvers.addresses())
	if err != nil {
		return netip.Prefix{}, err
	}
	return pickSubnet(network.DefaultSubnets(), append(append(taken, uplinkSubnet), others...))
}

func overlapsAny(p netip.Prefix, list []netip.Prefix) bool {
	for _, other := range list {
		if p.Overlaps(other) {
			return true
		}
	}
	return false
}

// takenByHost lists what the host routes somewhere, default routes excepted,
// and its resolvers. It must run on a thread in the host's network namespace.
func takenByHost(resolvers []netip.Addr) ([]netip.Prefix, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var taken []netip.Prefix
	// All tables: VPNs like to put their routes into one of their own.
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	err = h.RouteListFilteredIter(unix.AF_INET, filter, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		if p, ok := destination(r); ok {
			taken = append(taken, p)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("listing the host's routes: %w", err)
	}
	for _, ip := range resolvers {
		taken = append(taken, netip.PrefixFrom(ip, ip.BitLen()))
	}
	return taken, nil
}

func destination(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(r.Dst.IP)
	ones, _ := r.Dst.Mask.Size()
	if !ok || ones == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(ip.Unmap(), ones), true
}

// pool hands out a subnet's addresses: the lowest free one, as Docker does.
type pool struct {
	subnet netip.Prefix
	choice netip.Prefix // where addresses that nobody asked for come from
	used   map[netip.Addr]holder
}

// holder is who has an address.
type holder int

const (
	nobody holder = iota
	container
	expected // a container whose monitor has not reattached yet
	gateway
)

// newPool gives out the addresses of choice, all of the subnet's if it is not
// valid.
func newPool(subnet netip.Prefix, own netip.Addr, choice netip.Prefix) *pool {
	if !choice.IsValid() {
		choice = subnet
	}
	return &pool{subnet: subnet.Masked(), choice: choice.Masked(), used: map[netip.Addr]holder{own: gateway}}
}

// expect keeps an address for a container that is to be restored.
func (p *pool) expect(ip netip.Addr) { p.used[ip] = expected }

// take reserves wanted, or any free address when wanted is the zero value.
// restore says that wanted was the container's already.
func (p *pool) take(wanted netip.Addr, restore bool) (netip.Addr, error) {
	if wanted.IsValid() {
		return wanted, p.claim(wanted, restore)
	}
	for ip := p.choice.Addr(); p.choice.Contains(ip) && p.subnet.Contains(ip.Next()); ip = ip.Next() {
		if p.used[ip] == nobody && ip != p.subnet.Addr() {
			p.used[ip] = container
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%w: all of %s is in use", slirp.ErrAddress, p.choice)
}

func (p *pool) claim(ip netip.Addr, restore bool) error {
	holder := p.used[ip]
	switch {
	case !p.subnet.Contains(ip):
		return fmt.Errorf("%w: %s lies outside the network %s", slirp.ErrAddress, ip, p.subnet)
	case ip == p.subnet.Addr() || !p.subnet.Contains(ip.Next()):
		return fmt.Errorf("%w: %s is the network's or the broadcast address of %s", slirp.ErrAddress, ip, p.subnet)
	case holder == gateway:
		return fmt.Errorf("%w: %s is the gateway's", slirp.ErrAddress, ip)
	case holder == container, holder == expected && !restore:
		return fmt.Errorf("%w: %s belongs to another container", slirp.ErrAddress, ip)
	}
	p.used[ip] = container
	return nil
}

func (p *pool) free(ip netip.Addr) { delete(p.used, ip) }
