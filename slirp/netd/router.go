package netd

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

const (
	bridgeName = "rl0"
	tapName    = "up0"
	// mtu is the largest that pasta and slirp4netns take. Inside the machine
	// nothing is gained by small packets, and throughput grows with it.
	mtu = 65520
)

// router is the network namespace in which the bridges of all of a user's
// networks are, and what they share: the uplink, the published ports, and the
// rules between them. The default network's bridge is always there, those of
// user-defined networks as long as a container is on them.
type router struct {
	ns        *namespace
	h         *netlink.Handle // in ns
	log       *log.Logger
	touch     func() // called when anything happens, see footprint.Idler
	resolvers *resolvers
	uplink    *uplink
	publisher *publisher
	egress    *egress
	inherited bool // the namespace is that of a process that was killed
	restoring *restoring

	making sync.Mutex // held while a bridge is made or removed

	mu      sync.Mutex         // guards the following and the bridges' pools and endpoints
	bridges map[string]*bridge // by the ids of their networks
	// containers are the attachments of each, by its id and then the network's.
	containers map[string]map[string]*attached
}

// newRouter makes the bridges' namespace, or takes up an existing one whose
// network process died.
func newRouter(opts Options, log *log.Logger, touch func(), existing *os.File) (*router, error) {
	ns, err := newNamespace(existing)
	if err != nil {
		return nil, err
	}
	r := &router{
		ns: ns, log: log, touch: touch, inherited: existing != nil,
		bridges: map[string]*bridge{}, containers: map[string]map[string]*attached{},
	}
	if err := r.build(opts); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// build does the steps that need one another, the uplink first because it
// starts beside the others.
func (r *router) build(opts Options) (err error) {
	if r.h, err = r.ns.handle(); err != nil {
		return err
	}
	if err := r.expectContainers(); err != nil {
		return err
	}
	r.resolvers = newResolvers(opts.ResolvConf)
	subnet, err := r.defaultSubnet(opts.Taken)
	if err != nil {
		return err
	}
	if r.egress, err = newEgress(r.ns, r.inherited, opts.Denied); err != nil {
		return err
	}
	if r.uplink, err = newUplink(opts, r.log, r.ns, r.h, r.inherited); err != nil {
		return err
	}
	r.uplink.start()
	if err := r.prepare(); err != nil {
		return err
	}
	own := slirp.Network{Name: slirp.DefaultNetwork, Subnet: subnet.Masked(), Gateway: subnet.Addr()}
	if r.bridges[""], err = r.openBridge(own); err != nil {
		return err
	}
	r.publisher = newPublisher(r.ns, r.log, r.touch)
	if r.inherited {
		return nil
	}
	return r.mark(opts.RuntimeDir)
}

// expectContainers looks who is to be restored.
func (r *router) expectContainers() (err error) {
	var awaited []netip.Addr
	if r.inherited {
		awaited, err = addressesInUse(r.h)
	}
	r.restoring = newRestoring(awaited)
	return err
}

// prepare makes a router of the namespace. The rules are made anew in one that
// was inherited, too: the process before may have been another version.
func (r *router) prepare() error {
	if r.inherited {
		return setupFirewall(r.ns, true)
	}
	// Bridges of networks without IPv6 have no use for its automatic addresses,
	// which are only traffic that wakes the uplink.
	_ = r.ns.setSysctl("ipv6/conf/default/disable_ipv6", "1")
	// Packets between containers of one bridge meet no rule. Where the kernel has
	// br_netfilter, it would look for one all the same.
	_ = r.ns.setSysctl("bridge/bridge-nf-call-iptables", "0")
	_ = r.ns.setSysctl("bridge/bridge-nf-call-ip6tables", "0")
	if err := setLoopbackUp(r.h); err != nil {
		return err
	}
	if err := r.ns.setSysctl("ipv4/ip_forward", "1"); err != nil {
		return fmt.Errorf("switching forwarding on: %w", err)
	}
	if err := forwardIPv6(r.ns); err != nil {
		r.log.Printf("networks have no way out over IPv6: %v", err)
	}
	if err := setupFirewall(r.ns, false); err != nil {
		return err
	}
	return routeRepliesLocally(r.h)
}

// defaultSubnet is that of the default network with the gateway's address: the
// one that its bridge has already, or one that neither the host nor another
// network uses.
func (r *router) defaultSubnet(taken func() []netip.Prefix) (netip.Prefix, error) {
	if r.inherited {
		return r.readSubnet()
	}
	var others []netip.Prefix
	if taken != nil {
		others = taken()
	}
	subnet, err := freeSubnet(r.resolvers, others)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(subnet.Addr().Next(), subnet.Bits()), nil
}

// readSubnet takes the subnet of a bridge that is already there.
func (r *router) readSubnet() (netip.Prefix, error) {
	link, err := r.h.LinkByName(bridgeName)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("finding the bridge of the network process before: %w", err)
	}
	addresses, err := r.h.AddrList(link, unix.AF_INET)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("reading the address of the bridge of the network process before: %w", err)
	}
	if len(addresses) == 0 {
		return netip.Prefix{}, fmt.Errorf("the bridge %s of the network process before has no address", bridgeName)
	}
	ones, _ := addresses[0].Mask.Size()
	ip, _ := netip.AddrFromSlice(addresses[0].IP)
	return netip.PrefixFrom(ip.Unmap(), ones), nil
}

// close ends what runs. The namespace itself is the kernel's to end, with the
// last descriptor.
func (r *router) close() error {
	for _, b := range r.bridges {
		if b != nil {
			b.dns.close()
		}
	}
	if r.uplink != nil {
		r.uplink.stop()
	}
	if r.h != nil {
		r.h.Close()
	}
	r.ns.close()
	return nil
}

func (r *router) describe(status *slirp.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	status.Subnet = r.bridges[""].spec.Subnet
	status.Containers = len(r.containers)
	status.Uplink, status.UplinkPID = r.uplink.running()
}
