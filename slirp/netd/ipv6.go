package netd

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The uplink's little network has IPv6 addresses too: those of slirp4netns,
// which knows no others. Only the two are routed there, so that the rest of
// their subnet is the host's to lead to.
var (
	uplinkAddress6 = netip.MustParseAddr("fd00::100")
	uplinkGateway6 = netip.MustParseAddr("fd00::2")
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

// leadIPv6 opens the way through the tap device, or shuts it: then containers
// are told at once that there is none.
func leadIPv6(ns *namespace, h *netlink.Handle, open bool) error {
	if !hasIPv6() {
		return nil
	}
	link, err := h.LinkByName(tapName)
	if err != nil {
		return err
	}
	if !open {
		// With its addresses the kernel takes the routes away.
		return ns.setSysctl("ipv6/conf/"+tapName+"/disable_ipv6", "1")
	}
	// No addresses and routes but the ones here.
	for _, s := range [][2]string{{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"disable_ipv6", "0"}} {
		if err := ns.setSysctl("ipv6/conf/"+tapName+"/"+s[0], s[1]); err != nil {
			return fmt.Errorf("switching IPv6 of the uplink on: %w", err)
		}
	}
	if err := h.AddrReplace(link, address6(netip.PrefixFrom(uplinkAddress6, 128))); err != nil {
		return fmt.Errorf("giving the tap device its IPv6 address: %w", err)
	}
	index := link.Attrs().Index
	for _, route := range []*netlink.Route{
		{LinkIndex: index, Dst: address(netip.PrefixFrom(uplinkGateway6, 128)).IPNet, Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Gw: uplinkGateway6.AsSlice()},
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
