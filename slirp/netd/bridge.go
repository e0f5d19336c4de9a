package netd

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/rl-project/rl/slirp"
)

// bridge is one network inside the router's namespace.
type bridge struct {
	router *router
	spec   slirp.Network // with an empty ID for the default network
	device string
	index  int // of device
	mtu    int
	dns    *nameServer

	// Guarded by router.mu.
	pool, pool6 *pool                    // pool6 is nil without IPv6
	endpoints   map[netip.Addr]*attached // by their IPv4 addresses
	removed     bool
}

// userPrefix begins the names of the bridges of user-defined networks.
const userPrefix = "b"

func bridgeDevice(id string) string {
	if id == "" {
		return bridgeName
	}
	return fmt.Sprintf("%s%.12s", userPrefix, id)
}

func newBridge(r *router, spec slirp.Network) *bridge {
	b := &bridge{
		router: r, spec: spec, device: bridgeDevice(spec.ID), mtu: spec.MTU,
		pool:      newPool(spec.Subnet, spec.Gateway, spec.IPRange),
		endpoints: map[netip.Addr]*attached{},
	}
	if b.mtu == 0 {
		b.mtu = mtu
	}
	if spec.Subnet6.IsValid() {
		b.pool6 = newPool(spec.Subnet6, spec.Gateway6, netip.Prefix{})
	}
	return b
}

// bridgeFor returns the bridge of a network, nil for the default one, made if no
// container is on it yet.
func (r *router) bridgeFor(spec *slirp.Network) (*bridge, error) {
	if spec == nil {
		spec = new(slirp.Network)
	}
	r.mu.Lock()
	b := r.bridges[spec.ID]
	r.mu.Unlock()
	if b != nil {
		return b, nil
	}
	for _, a := range r.leavers(*spec) {
		a.finish() // as it would in a moment
	}
	r.making.Lock()
	defer r.making.Unlock()
	r.mu.Lock()
	b = r.bridges[spec.ID]
	r.mu.Unlock()
	if b != nil {
		return b, nil
	}
	b, err := r.openBridge(*spec)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", spec.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bridges[spec.ID] = b
	return b, nil
}

// leavers are containers that have ended and may still have addresses of a new
// network's subnet: those of one that had it and was removed.
func (r *router) leavers(spec slirp.Network) (list []*attached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bridges {
		if !b.spec.Subnet.Overlaps(spec.Subnet) {
			continue
		}
		for _, a := range b.endpoints {
			if a.leaving {
				list = append(list, a)
			}
		}
	}
	return list
}

// openBridge makes the bridge of a network, or takes up that of a network
// process that was killed.
func (r *router) openBridge(spec slirp.Network) (*bridge, error) {
	b := newBridge(r, spec)
	if r.inherited {
		if err := r.removeStrays(); err != nil {
			return nil, err
		}
	}
	if err := b.checkOverlap(); err != nil {
		return nil, err
	}
	link, err := r.h.LinkByName(b.device)
	if err == nil {
		err = b.expectSurvivors()
	} else if errors.As(err, new(netlink.LinkNotFoundError)) {
		link, err = b.create()
	}
	if err != nil {
		return nil, err
	}
	b.index = link.Attrs().Index
	if err := r.changeRules(b, true); err != nil {
		return nil, fmt.Errorf("isolating it with nftables: %w", err)
	}
	if b.dns, err = newNameServer(r.ns, spec.Gateway, r.resolvers, r.touch, b); err != nil {
		return nil, err
	}
	return b, nil
}

// checkOverlap refuses a subnet that another bridge has. The default network's
// was chosen by what the host had then.
func (b *bridge) checkOverlap() error {
	b.router.mu.Lock()
	defer b.router.mu.Unlock()
	for _, other := range b.router.bridges {
		if b.spec.Subnet.Overlaps(other.spec.Subnet) {
			return fmt.Errorf("%w: its subnet %s overlaps that of network %s: remove it and create it again", slirp.ErrAddress, b.spec.Subnet, other.spec.Name)
		}
	}
	return nil
}

func (b *bridge) create() (netlink.Link, error) {
	h := b.router.h
	attrs := named(b.device)
	attrs.MTU, attrs.HardwareAddr = b.mtu, macFor(b.spec.Gateway)
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return nil, fmt.Errorf("making the bridge: %w", err)
	}
	link, err := h.LinkByName(b.device)
	if err != nil {
		return nil, err
	}
	own := address(netip.PrefixFrom(b.spec.Gateway, b.spec.Subnet.Bits()))
	if err := h.AddrAdd(link, own); err != nil {
		return nil, fmt.Errorf("giving the bridge its address %s: %w", own, err)
	}
	if b.pool6 != nil {
		if err := b.createIPv6(link); err != nil {
			return nil, err
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("switching the bridge on: %w", err)
	}
	return link, nil
}

func (b *bridge) createIPv6(link netlink.Link) error {
	// The kernel's own link-local address would be good in two seconds only. Until
	// then the bridge cannot look for a container on behalf of a client whose
	// address it keeps.
	for _, s := range [][2]string{{"addr_gen_mode", "1"}, {"disable_ipv6", "0"}} {
		if err := b.router.ns.setSysctl("ipv6/conf/"+b.device+"/"+s[0], s[1]); err != nil {
			return fmt.Errorf("switching IPv6 on: %w", err)
		}
	}
	for _, own := range []netip.Prefix{bridgeLocal6, netip.PrefixFrom(b.spec.Gateway6, b.spec.Subnet6.Bits())} {
		if err := addAddress6(b.router.ns, b.router.ns.file, b.router.h, link, own); err != nil {
			return fmt.Errorf("giving the bridge its address %s: %w", own, err)
		}
	}
	return nil
}

// bridgeLocal6 is the link-local address of every bridge.
var bridgeLocal6 = netip.MustParsePrefix("fe80::1/64")

// expectSurvivors keeps the addresses of containers whose monitors have not
// reattached yet.
func (b *bridge) expectSurvivors() error {
	inUse, err := addressesInUse(b.router.h)
	if err != nil {
		return err
	}
	for _, ip := range inUse {
		if b.spec.Subnet.Contains(ip) {
			b.pool.expect(ip)
		}
	}
	return nil
}

// removeStrays removes bridges that a killed network process has left and no
// container is on any more. What the rules say of their names does no harm.
func (r *router) removeStrays() error {
	links, err := r.h.LinkList()
	if err != nil {
		return err
	}
	keep := map[string]bool{bridgeName: true}
	full := map[int]bool{}
	for _, l := range links {
		full[l.Attrs().MasterIndex] = true
	}
	r.mu.Lock()
	for _, b := range r.bridges {
		keep[b.device] = true
	}
	r.mu.Unlock()
	for _, l := range links {
		if name := l.Attrs().Name; l.Type() == "bridge" && !keep[name] && !full[l.Attrs().Index] {
			if err := deleteLink(r.h, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeIfUnused takes the bridge of a user-defined network away with its last
// container.
func (b *bridge) removeIfUnused() {
	r := b.router
	r.making.Lock()
	defer r.making.Unlock()
	r.mu.Lock()
	unused := b.spec.ID != "" && len(b.endpoints) == 0 && !b.removed
	if unused {
		b.removed = true
		delete(r.bridges, b.spec.ID)
	}
	r.mu.Unlock()
	if !unused {
		return
	}
	b.dns.close()
	if err := deleteLink(r.h, b.device); err != nil {
		r.log.Printf("removing the bridge of network %s: %v", b.spec.Name, err)
	}
	if err := r.changeRules(b, false); err != nil {
		r.log.Printf("removing the rules of network %s: %v", b.spec.Name, err)
	}
}
