package network

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/rl-project/rl/slirp"
)

// Longest prefixes of subnets that have room for a gateway and a container.
const (
	smallest  = 30
	smallest6 = 126
)

// DefaultSubnets are what the default network's subnet is chosen from, in this
// order: the one that people know from Podman, its neighbours, then the other
// private ranges, so that a host whose VPN takes all of 10.0.0.0/8 still finds
// one. None of them is given to another network unasked.
func DefaultSubnets() []netip.Prefix {
	return slices.Concat(run(10, 88, 16), run(172, 24, 8), run24(230, 16))
}

// ownSubnets are what other networks' are chosen from.
func ownSubnets() []netip.Prefix {
	var list []netip.Prefix
	for b := range 32 {
		for c := range 256 {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(104 + b), byte(c), 0}), 24))
		}
	}
	return append(list, run24(192, 38)...)
}

// run lists count subnets A.B.0.0/16 from one on.
func run(a, b byte, count int) (list []netip.Prefix) {
	for i := range count {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b + byte(i), 0, 0}), 16))
	}
	return list
}

// run24 lists count subnets 192.168.C.0/24 from one on.
func run24(c byte, count int) (list []netip.Prefix) {
	for i := range count {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, c + byte(i), 0}), 24))
	}
	return list
}

// Default returns the default network as the network process would make it now.
func (s Store) Default() (Network, error) {
	n := BuiltIns()[0]
	taken, err := takenByHost()
	if err != nil {
		return n, err
	}
	taken = append(taken, s.Subnets()...)
	for _, c := range DefaultSubnets() {
		if !overlaps(c, taken) {
			n.Subnet, n.Gateway = c, c.Addr().Next()
			break
		}
	}
	return n, nil
}

// plan fills in the subnets and the gateways, or refuses those asked for.
func (n *Network) plan(others []Network, ipv6 bool) error {
	var taken, taken6 []netip.Prefix
	for _, o := range others {
		taken, taken6 = append(taken, o.Subnet), append(taken6, o.Subnet6)
	}
	if err := n.planIPv4(taken); err != nil {
		return err
	}
	if ipv6 || n.Subnet6.IsValid() {
		return n.planIPv6(taken6)
	}
	if n.Gateway6.IsValid() {
		return fmt.Errorf("%w: --gateway %s needs --ipv6 with a --subnet that it is in", ErrInvalid, n.Gateway6)
	}
	return nil
}

func (n *Network) planIPv4(taken []netip.Prefix) (err error) {
	if !n.Subnet.IsValid() {
		if n.Gateway.IsValid() || n.IPRange.IsValid() {
			return fmt.Errorf("%w: --gateway and --ip-range need the --subnet that they are in", ErrInvalid)
		}
		if n.Subnet, err = pick(taken); err != nil {
			return err
		}
	}
	if err := checkSubnet(n.Subnet, smallest, append(taken, DefaultSubnets()[0])); err != nil {
		return err
	}
	r := n.IPRange
	if r.IsValid() && (r.Bits() < n.Subnet.Bits() || !n.Subnet.Contains(r.Addr())) {
		return fmt.Errorf("%w: --ip-range %s lies outside the subnet %s", ErrInvalid, r, n.Subnet)
	}
	n.Gateway, err = n.gatewayIn(n.Subnet, n.Gateway)
	return err
}

// uplinkSubnet6 is the network behind slirp4netns, which knows no other.
var uplinkSubnet6 = netip.MustParsePrefix("fd00::/64")

// planIPv6 takes a subnet of the unique local ones at random, as RFC 4193 wants.
func (n *Network) planIPv6(taken []netip.Prefix) (err error) {
	if !n.Subnet6.IsValid() {
		ip := [16]byte{0xfd}
		rand.Read(ip[1:6])
		n.Subnet6 = netip.PrefixFrom(netip.AddrFrom16(ip), 64)
	}
	if err := checkSubnet(n.Subnet6, smallest6, append(taken, uplinkSubnet6)); err != nil {
		return err
	}
	n.Gateway6, err = n.gatewayIn(n.Subnet6, n.Gateway6)
	return err
}

// pick returns a subnet that neither the host nor another network uses.
func pick(taken []netip.Prefix) (netip.Prefix, error) {
	host, err := takenByHost()
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, c := range ownSubnets() {
		if !overlaps(c, taken) && !overlaps(c, host) {
			return c, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%w: no subnet is free of those that rl picks from: give one with --subnet", ErrInvalid)
}

// checkSubnet refuses an impossible subnet and one that overlaps those taken.
func checkSubnet(p netip.Prefix, longest int, taken []netip.Prefix) error {
	switch {
	case p != p.Masked():
		return fmt.Errorf("%w: subnet %s has bits behind its prefix: it is %s", ErrInvalid, p, p.Masked())
	case p.Bits() < 8 || p.Bits() > longest:
		return fmt.Errorf("%w: subnet %s: its prefix is to be from /8 to /%d", ErrInvalid, p, longest)
	case p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().IsLinkLocalUnicast():
		return fmt.Errorf("%w: subnet %s: loopback, link-local and multicast addresses cannot be a container's", ErrInvalid, p)
	}
	for _, t := range taken {
		if p.Overlaps(t) {
			return fmt.Errorf("%w: subnet %s overlaps %s of another network: take another, or leave --subnet away", ErrInvalid, p, t)
		}
	}
	return nil
}

// gatewayIn returns the gateway asked for, or else the first address.
func (n *Network) gatewayIn(subnet netip.Prefix, wanted netip.Addr) (netip.Addr, error) {
	if !wanted.IsValid() {
		return subnet.Addr().Next(), nil
	}
	if err := checkAddress(subnet, wanted); err != nil {
		return wanted, fmt.Errorf("%w: --gateway %w", ErrInvalid, err)
	}
	return wanted, nil
}

// CheckAddress refuses an address that no container can have on n.
func (n Network) CheckAddress(ip netip.Addr) error {
	subnet := n.Subnet
	if ip.Is6() {
		if subnet = n.Subnet6; !subnet.IsValid() {
			return fmt.Errorf("%w: network %s has no IPv6 for %s: create it with --ipv6", slirp.ErrAddress, n.Name, ip)
		}
	}
	if ip == n.Gateway || ip == n.Gateway6 {
		return fmt.Errorf("%w: %s is the gateway of network %s", slirp.ErrAddress, ip, n.Name)
	}
	if err := checkAddress(subnet, ip); err != nil {
		return fmt.Errorf("%w: network %s: %w", slirp.ErrAddress, n.Name, err)
	}
	return nil
}

func checkAddress(subnet netip.Prefix, ip netip.Addr) error {
	if !subnet.Contains(ip) {
		return fmt.Errorf("%s lies outside the subnet %s", ip, subnet)
	}
	if ip == subnet.Addr() || !subnet.Contains(ip.Next()) {
		return fmt.Errorf("%s is the network's or the broadcast address of %s", ip, subnet)
	}
	return nil
}

func overlaps(p netip.Prefix, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, p.Overlaps)
}

// takenByHost lists what the host routes somewhere, in all of its tables, default
// routes excepted, and its resolvers. VPNs like to have a table of their own.
func takenByHost() ([]netip.Prefix, error) {
	data, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("listing the host's routes: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, fmt.Errorf("listing the host's routes: %w", err)
	}
	var list []netip.Prefix
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWROUTE || len(m.Data) < 2 || m.Data[1] == 0 {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, fmt.Errorf("listing the host's routes: %w", err)
		}
		for _, a := range attributes {
			if a.Attr.Type == syscall.RTA_DST && len(a.Value) == 4 {
				list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte(a.Value)), int(m.Data[1])))
			}
		}
	}
	text, _ := os.ReadFile("/etc/resolv.conf") // without it there are none
	for _, ip := range slirp.ParseResolvConf(text).Nameservers {
		list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
	}
	return list, nil
}
