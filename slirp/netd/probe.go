package netd

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Feature is one thing that the network process needs of the kernel.
type Feature struct {
	Name string `json:"name"`
	// Error says why it does not work here; empty if it does.
	Error string `json:"error,omitempty"`
	// Cost is what does not work without it.
	Cost string `json:"cost"`
}

// Probe tries, in a network namespace that is gone afterwards, what the
// network process does. The caller is uid 0 with all capabilities of a user
// namespace; any one will do.
func Probe() []Feature {
	const everything = "no container network but none and host"
	ns, err := newNamespace(nil)
	features := []Feature{feature("network namespaces", everything, err)}
	if err != nil {
		return features
	}
	defer ns.close()
	h, err := ns.handle()
	if err != nil {
		return append(features, feature("netlink", everything, err))
	}
	defer h.Close()
	return append(features,
		feature("bridge", everything, probeLink(h, &netlink.Bridge{LinkAttrs: named(bridgeName)})),
		feature("veth", everything, probeLink(h, &netlink.Veth{LinkAttrs: named("v0"), PeerName: "v1"})),
		feature("forwarding", everything, ns.setSysctl("ipv4/ip_forward", "1")),
		feature("nftables NAT and marks", everything, setupFirewall(ns, h)),
		feature("tap device", "containers reach one another, but not the world", createTap(ns, h)),
	)
}

func feature(name, cost string, err error) Feature {
	f := Feature{Name: name, Cost: cost}
	if err != nil {
		f.Error = err.Error()
	}
	return f
}

func probeLink(h *netlink.Handle, link netlink.Link) error {
	if err := h.LinkAdd(link); err != nil {
		return fmt.Errorf("making a %s: %w", link.Type(), err)
	}
	return h.LinkSetUp(link)
}
