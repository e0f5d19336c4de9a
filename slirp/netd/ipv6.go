package netd

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// pair6 is the IPv6 side of the uplink's little network: the tap device's
// address and the gateway that the uplink process plays. Only these two are
// routed there, so that the rest of their subnet is the host's to lead to.
type pair6 struct{ address, gateway netip.Addr }

var (
	uplink6 = pair6{netip.MustParseAddr("fd72:6c75:7030::100"), netip.MustParseAddr("fd72:6c75:7030::2")}
	// slirp4netns knows no others. A host that has the gateway's address itself
	// is not reached by it.
	slirp6 = pair6{netip.MustParseAddr("fd00::100"), netip.MustParseAddr("fd00::2")}
)

// hostHasIPv6 reports whether the host that the calling thread is in has a way
// to the IPv6 world.
func hostHasIPv6() bool {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return false
	}
	defer h.Close()
	found := false
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	err = h.RouteListFilteredIter(unix.AF_INET6, filter, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		_, narrower := destination(r)
		found = r.Type == unix.RTN_UNICAST && !narrower
		return !found
	})
	return err == nil && found
}

// leadIPv6 opens the way through the tap device or shuts it: then containers
// are told at once that there is none.
func leadIPv6(ns *namespace, h *netlink.Handle, pair pair6, open bool) error {
	if !hasIPv6() {
		return nil
	}
	settings := "ipv6/conf/" + tapName + "/"
	// With the addresses of the uplink before, the kernel takes their routes away.
	if err := ns.setSysctl(settings+"disable_ipv6", "1"); err != nil || !open {
		return err
	}
	// No addresses and routes but the ones here.
	for _, s := range [][2]string{{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"disable_ipv6", "0"}} {
		if err := ns.setSysctl(settings+s[0], s[1]); err != nil {
			return fmt.Errorf("switching IPv6 of the uplink on: %w", err)
		}
	}
	link, err := h.LinkByName(tapName)
	if err != nil {
		return err
	}
	if err := h.AddrReplace(link, address6(netip.PrefixFrom(pair.address, 128))); err != nil {
		return fmt.Errorf("giving the tap device its IPv6 address: %w", err)
	}
	index := link.Attrs().Index
	for _, route := range []*netlink.Route{
		{LinkIndex: index, Dst: address(netip.PrefixFrom(pair.gateway, 128)).IPNet, Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Gw: pair.gateway.AsSlice()},
	} {
		if err := h.RouteReplace(route); err != nil {
			return fmt.Errorf("adding the uplink's IPv6 route: %w", err)
		}
	}
	return nil
}

// forwardIPv6 makes an IPv6 router of the namespace.
func forwardIPv6(ns *namespace) error {
	if !hasIPv6() {
		return nil
	}
	if err := ns.setSysctl("ipv6/conf/all/forwarding", "1"); err != nil {
		return fmt.Errorf("switching forwarding of IPv6 on: %w", err)
	}
	return nil
}

// hasIPv6 reports whether the kernel knows it.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}
