package netd

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"sync"

	"github.com/rl-project/rl/slirp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	bridgeName = "rl0"
	tapName    = "up0"
	// mtu is the largest that pasta and slirp4netns take. Inside the machine
	// nothing is gained by small packets, and throughput grows with it.
	mtu = 65520
)

// network is the default network: the bridge in its namespace and what hangs
// on it.
type network struct {
	ns      *namespace
	h       *netlink.Handle // in ns
	log     *log.Logger
	touch   func() // called when anything happens, see footprint.Idler
	subnet  netip.Prefix
	gateway netip.Addr
	bridge  int // interface index of rl0 in ns

	uplink    *uplink
	publisher *publisher
	dns       *nameServer

	mu       sync.Mutex // guards the following
	pool     *pool
	attached int
}

// newNetwork makes the bridge's namespace, or takes up an existing one whose
// network process died.
func newNetwork(opts Options, log *log.Logger, touch func(), existing *os.File) (*network, error) {
	ns, err := newNamespace(existing)
	if err != nil {
		return nil, err
	}
	n := &network{ns: ns, log: log, touch: touch}
	if err := n.build(opts, existing != nil); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// build does the steps that need one another, the uplink first because it
// starts beside the others.
func (n *network) build(opts Options, exists bool) (err error) {
	if n.h, err = n.ns.handle(); err != nil {
		return err
	}
	resolvers := newResolvers(opts.ResolvConf)
	if exists {
		err = n.readSubnet()
	} else {
		err = n.chooseSubnet(resolvers)
	}
	if err != nil {
		return err
	}
	n.gateway = n.subnet.Addr()
	n.pool = newPool(n.subnet)
	if exists {
		inUse, err := addressesInUse(n.h)
		if err != nil {
			return err
		}
		n.pool.expect(inUse)
	}
	if n.uplink, err = newUplink(opts, n.log, n.ns, n.h, exists); err != nil {
		return err
	}
	n.uplink.start()
	if !exists {
		if err := n.createBridge(); err != nil {
			return err
		}
	}
	if err := n.findBridge(); err != nil {
		return err
	}
	if n.dns, err = newNameServer(n.ns, n.gateway, resolvers, n.touch); err != nil {
		return err
	}
	n.publisher, err = newPublisher(opts.RuntimeDir, n.ns, n.log, n.touch)
	return err
}

// chooseSubnet finds one that the host does not use.
func (n *network) chooseSubnet(resolvers *resolvers) error {
	subnet, err := freeSubnet(resolvers)
	if err != nil {
		return err
	}
	n.subnet = netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits())
	return nil
}

// readSubnet takes the subnet of a bridge that is already there.
func (n *network) readSubnet() error {
	link, err := n.h.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("finding the bridge of the network process before: %w", err)
	}
	addresses, err := n.h.AddrList(link, unix.AF_INET)
	if err != nil || len(addresses) == 0 {
		return fmt.Errorf("the bridge of the network process before has no address: %w", err)
	}
	ones, _ := addresses[0].Mask.Size()
	ip, _ := netip.AddrFromSlice(addresses[0].IP)
	n.subnet = netip.PrefixFrom(ip.Unmap(), ones)
	return nil
}

func (n *network) createBridge() error {
	// IPv6 comes with user-defined networks; until then its automatic
	// addresses are only traffic that wakes the uplink.
	_ = n.ns.setSysctl("ipv6/conf/default/disable_ipv6", "1")
	attrs := named(bridgeName)
	attrs.MTU = mtu
	attrs.HardwareAddr = macFor(n.gateway)
	if err := n.h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	link, err := n.h.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	if err := n.h.AddrAdd(link, address(n.subnet)); err != nil {
		return fmt.Errorf("giving the bridge its address %s: %w", n.subnet, err)
	}
	if err := n.h.LinkSetUp(link); err != nil {
		return fmt.Errorf("switching the bridge on: %w", err)
	}
	if err := setLoopbackUp(n.h); err != nil {
		return err
	}
	if err := n.ns.setSysctl("ipv4/ip_forward", "1"); err != nil {
		return fmt.Errorf("switching forwarding on: %w", err)
	}
	return setupFirewall(n.ns, n.h)
}

func (n *network) findBridge() error {
	link, err := n.h.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	n.bridge = link.Attrs().Index
	return nil
}

// close ends what runs. The namespace itself is the kernel's to end, with the
// last descriptor.
func (n *network) close() error {
	if n.publisher != nil {
		n.publisher.close()
	}
	if n.dns != nil {
		n.dns.close()
	}
	if n.uplink != nil {
		n.uplink.stop()
	}
	if n.h != nil {
		n.h.Close()
	}
	n.ns.close()
	return nil
}

func (n *network) describe(status *slirp.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	status.Subnet = n.subnet.Masked()
	status.Containers = n.attached
	status.Uplink, status.UplinkPID = n.uplink.running()
}
