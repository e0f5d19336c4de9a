package netd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// loopbackIndex is lo's in every network namespace.
const loopbackIndex = 1

// vethPrefix begins the names of the bridge's side of veth pairs.
const vethPrefix = "v"

// segmentsSize is how much of an IPv4 stream crosses the bridge in one go, in
// bytes: three full segments at the MTU. They are taken apart only where they
// leave for the uplink. That gives half as much throughput again between
// containers; four segments are slower than three. Linux before 6.3 ignores it
// and takes 64 KiB.
const segmentsSize = 192 << 10

// vethName names the bridge's side of the pair of the container with address
// ip. It is never the same twice, because a pair may outlive its attachment
// for a moment. The address in it tells a network process that takes up the
// bridge which addresses are in use before their monitors do.
func vethName(ip netip.Addr) string {
	return fmt.Sprintf("%s%x-%05x", vethPrefix, ip.As4(), rand.N(1<<20))
}

// addressIn returns the address in the name of a veth pair's end.
func addressIn(name string) (netip.Addr, bool) {
	text, isVeth := strings.CutPrefix(name, vethPrefix)
	text, _, _ = strings.Cut(text, "-")
	b, err := hex.DecodeString(text)
	if !isVeth || err != nil || len(b) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b)), true
}

// addressesInUse lists the containers on a bridge that another network process
// made.
func addressesInUse(h *netlink.Handle) ([]netip.Addr, error) {
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("listing the containers on the bridge: %w", err)
	}
	var list []netip.Addr
	for _, link := range links {
		if ip, ok := addressIn(link.Attrs().Name); ok {
			list = append(list, ip)
		}
	}
	return list, nil
}

// wire makes the veth pair and configures the container's side. When
// restoring, a pair that is still there, with the connections over it, stays.
func (a *attached) wire(netns *os.File, restore bool) error {
	r := a.router
	if restore {
		if _, err := r.h.LinkByName(a.result.HostInterface); err == nil {
			return nil
		}
	}
	container, err := r.ns.handleOf(netns)
	if err != nil {
		return err
	}
	defer container.Close()
	if restore {
		// Its other end was in a bridge namespace that nobody holds any more
		// or that another has replaced.
		if err := deleteLink(container, a.result.Interface); err != nil {
			return err
		}
	}
	if err := a.createVeth(netns); err != nil {
		return err
	}
	if err := a.configure(netns, container); err != nil {
		return err
	}
	if err := errors.Join(noteCarrier(container, a.result.Interface), noteCarrier(r.h, a.result.HostInterface)); err != nil || a.pool6 == nil {
		return err
	}
	return noteCarrier(r.h, a.device) // which comes with the first container
}

// removeInterface removes an interface that a network process which died while it
// attached the container may have left in there.
func (r *router) removeInterface(netns *os.File, name string) error {
	container, err := r.ns.handleOf(netns)
	if err != nil {
		return err
	}
	defer container.Close()
	return deleteLink(container, name)
}

func (a *attached) createVeth(netns *os.File) error {
	r := a.router
	mac, err := net.ParseMAC(a.result.MACAddress)
	if err != nil {
		return err
	}
	attrs := named(a.result.HostInterface)
	attrs.MTU, attrs.MasterIndex, attrs.GSOIPv4MaxSize = a.mtu, a.index, segmentsSize
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: a.result.Interface, PeerHardwareAddr: mac,
		PeerMTU: uint32(a.mtu), PeerNamespace: netlink.NsFd(netns.Fd()),
	}
	if err := r.h.LinkAdd(veth); err != nil {
		return fmt.Errorf("making the veth pair %s to %s: %w", attrs.Name, a.result.Interface, err)
	}
	if err := r.egress.guard(a.result.HostInterface, a.result.IPAddress, a.spec.Subnet6); err != nil {
		return err
	}
	return r.h.LinkSetUp(veth)
}

// configure sets up the container's side, by a handle for its namespace.
func (a *attached) configure(netns *os.File, h *netlink.Handle) error {
	link, err := h.LinkByName(a.result.Interface)
	if err != nil {
		return err
	}
	if err := h.AddrAdd(link, address(netip.PrefixFrom(a.result.IPAddress, a.result.PrefixLen))); err != nil {
		return fmt.Errorf("giving the container its address %s: %w", a.result.IPAddress, err)
	}
	if a.result.IPv6Address.IsValid() {
		own := netip.PrefixFrom(a.result.IPv6Address, a.result.PrefixLen6)
		if err := addAddress6(a.router.ns, netns, h, link, own); err != nil {
			return fmt.Errorf("giving the container its address %s (is IPv6 switched off in it?): %w", own, err)
		}
	}
	if err := h.LinkSetGSOIPv4MaxSize(link, segmentsSize); err != nil {
		return fmt.Errorf("letting the container's interface take segments together: %w", err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("switching the container's interface on: %w", err)
	}
	if err := setLoopbackUp(h); err != nil {
		return err
	}
	if a.spec.Internal {
		return nil
	}
	// Of several default routes the kernel takes the one with the lowest number;
	// when its interface goes, the next.
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: a.result.Gateway.AsSlice(), Priority: interfaceNumber(a.result.Interface)}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("adding the container's default route: %w", err)
	}
	// A policy names IPv4 addresses only: all of IPv6 is denied, see guard.
	if !a.result.Gateway6.IsValid() || a.result.Restricted {
		return nil
	}
	route = &netlink.Route{LinkIndex: link.Attrs().Index, Gw: a.result.Gateway6.AsSlice(), Priority: metric6 + interfaceNumber(a.result.Interface)}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("adding the container's default route for IPv6: %w", err)
	}
	return nil
}

// noteCarrier makes the kernel take note at once that a device can carry
// packets, which it does for those who ask (since 6.8). Else it does so when it
// gets its network lock again; what the bridge passes on or IPv6 answers until
// then is lost, and said again after a second only.
func noteCarrier(h *netlink.Handle, device string) error {
	_, err := h.LinkByName(device)
	return err
}

// metric6 is the number that IPv6 routes have without one.
const metric6 = 1024

// interfaceNumber is the number at the end of a name such as eth1.
func interfaceNumber(name string) int {
	n, _ := strconv.Atoi(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz"))
	return n
}

func setLoopbackUp(h *netlink.Handle) error {
	attrs := named("lo")
	attrs.Index = loopbackIndex
	if err := h.LinkSetUp(&netlink.Device{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("switching the loopback interface on: %w", err)
	}
	return nil
}

func deleteLink(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return err
	}
	err = h.LinkDel(link)
	if errors.Is(err, unix.ENODEV) {
		return nil // its other end's namespace ended meanwhile
	}
	return err
}

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

// address converts p without setting a broadcast address, which no program needs.
func address(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
}
