// Package slirp gives containers their network without root: addresses on a
// bridge, a way out, published ports and name resolution.
//
// One network process per user (`rl netd`, package slirp/netd) owns a network
// namespace with a bridge in it, one user-mode uplink (pasta, slirp4netns or a
// built-in one) through which all of that user's containers reach the world,
// and the listening sockets of published ports. This package is the side of
// the container's monitor: it finds or starts the network process, asks it to
// connect a container's network namespace, and keeps that true when the
// network process is killed.
//
// The package is linked into every start of rl, so it must stay cheap:
// netlink, nftables, DNS and port forwarding live in slirp/netd, the built-in
// uplink in slirp/gvisor. Do not import those from here.
//
// There is no state file but one with a mark, by which the bridges' namespace
// is known. What is needed to go on after the network process
// died is held by the monitors: the descriptor of the bridge's namespace
// (which therefore lives on) and each container's own address and ports.
package slirp

import (
	"net/netip"
)

// DefaultNetwork is the name of the network that every user has.
const DefaultNetwork = "bridge"

// DefaultInterface is the name of the container's side of the veth pair.
const DefaultInterface = "eth0"

// Network is a network of containers, as far as the network process must know
// it: the bridge is made from this.
type Network struct {
	ID       string       `json:"id"` // 64 hexadecimal digits, "" for the default network
	Name     string       `json:"name"`
	Subnet   netip.Prefix `json:"subnet"`
	Gateway  netip.Addr   `json:"gateway"`
	IPRange  netip.Prefix `json:"ipRange,omitzero"`   // where addresses are taken from, the whole subnet if not valid
	Subnet6  netip.Prefix `json:"subnet6,omitzero"`   // not valid without IPv6
	Gateway6 netip.Addr   `json:"gateway6,omitzero"`  // valid with Subnet6
	Internal bool         `json:"internal,omitempty"` // has no way out
	MTU      int          `json:"mtu,omitempty"`      // 0 for the largest
	Egress   *Egress      `json:"egress,omitempty"`   // what its containers may reach outside, nil for all
}

// Endpoint says what a container wants of one network. It is known by the
// container's id and the network's.
type Endpoint struct {
	ID       string `json:"id"`                 // the container's full id
	Name     string `json:"name,omitempty"`     // its name, for messages and on user-defined networks
	Hostname string `json:"hostname,omitempty"` // its own host name

	// Network to be on; nil for the default network.
	Network *Network `json:"network,omitempty"`
	// Interface of the container, DefaultInterface if empty. Of several the one
	// with the lowest number has the default route.
	Interface string `json:"interface,omitempty"`
	// Aliases are more names under which the containers of a user-defined
	// network find this one, beside its name, host name and short id.
	Aliases []string `json:"aliases,omitempty"`
	// Links are names that this container alone has for others on a user-defined
	// network: alias to name.
	Links map[string]string `json:"links,omitempty"`

	// Resolvers are asked, from the bridges' namespace, what the name server of a
	// user-defined network does not know; the host's if there are none.
	Resolvers []netip.Addr `json:"resolvers,omitempty"`

	// Egress is what the container may reach outside its networks, nil for all
	// that they allow.
	Egress *Egress `json:"egress,omitempty"`

	// Ports to publish; Host 0 is filled in with a free port.
	Ports []PortMapping `json:"ports,omitempty"`
	// IPAddress wanted; the zero value takes the lowest free one.
	IPAddress netip.Addr `json:"ip,omitzero"`
	// IPv6Address wanted, on a network that has IPv6.
	IPv6Address netip.Addr `json:"ip6,omitzero"`
	// MACAddress wanted, as "02:42:ac:11:00:02"; empty derives it from the
	// address, as Docker does, so that a reused address keeps its hardware
	// address and no neighbour's cache goes stale.
	MACAddress string `json:"mac,omitempty"`
}

// restricted reports whether an egress policy is to be enforced.
func (e Endpoint) restricted() bool {
	return e.Egress != nil || e.Network != nil && e.Network.Egress != nil
}

// NetworkID is that of the endpoint's network, "" for the default one.
func (e Endpoint) NetworkID() string {
	if e.Network == nil {
		return ""
	}
	return e.Network.ID
}

// Attachment is what a container has got of one network. It is plain data: the
// runner stores it for inspect.
type Attachment struct {
	Network   string `json:"network"`
	NetworkID string `json:"networkId,omitempty"` // of a user-defined network
	Internal  bool   `json:"internal,omitempty"`
	Interface string `json:"interface"`
	// HostInterface is the other end of the veth pair, in the bridges' namespace.
	HostInterface string        `json:"hostInterface"`
	IPAddress     netip.Addr    `json:"ip"`
	PrefixLen     int           `json:"prefixLen"`
	Gateway       netip.Addr    `json:"gateway"`
	IPv6Address   netip.Addr    `json:"ip6,omitzero"` // not valid on a network without IPv6
	PrefixLen6    int           `json:"prefixLen6,omitempty"`
	Gateway6      netip.Addr    `json:"gateway6,omitzero"`
	MACAddress    string        `json:"mac"`
	MTU           int           `json:"mtu"`
	Ports         []PortMapping `json:"ports,omitempty"` // random host ports filled in
	DNS           netip.Addr    `json:"dns"`             // the name server, for resolv.conf
	Uplink        string        `json:"uplink,omitempty"`
	Restricted    bool          `json:"restricted,omitempty"` // an egress policy is enforced
	// Warnings are complete lines for the person: what does not work on this
	// machine although the container runs.
	Warnings []string `json:"warnings,omitempty"`
}

// Op names what a Request asks for.
type Op string

// The requests of a monitor to the network process.
const (
	OpAttach Op = "attach" // descriptors: the container's netns, then the bridge's if it is known
	OpDetach Op = "detach" // of Endpoint.ID from Endpoint.Network
	// OpPublish publishes Endpoint.Ports of Endpoint.ID on Endpoint.Network.
	OpPublish Op = "publish"
	OpRename  Op = "rename" // Endpoint.ID is called Endpoint.Name now
	OpStatus  Op = "status" // of the network process itself
)

// Request is one message of a monitor to the network process. A monitor sends
// one at a time; closing the connection detaches everything attached over it.
type Request struct {
	Op       Op       `json:"op"`
	Endpoint Endpoint `json:"endpoint,omitzero"`
	// Restore is what the container already has from a network process that
	// died. Addresses and ports in it are kept, not chosen anew.
	Restore *Attachment `json:"restore,omitempty"`
	// Again is whether a network process died while it attached the container:
	// what it may have left of the interface in there is to be removed.
	Again bool `json:"again,omitempty"`
	// Ended is whether the container's namespace ends with a detachment, and its
	// interface by itself.
	Ended bool `json:"ended,omitempty"`
}

// Reply answers a Request. The reply to OpAttach carries the descriptor of the
// bridges' network namespace.
type Reply struct {
	Error      string      `json:"error,omitempty"`
	Code       string      `json:"code,omitempty"` // which sentinel of this package Error is
	Attachment *Attachment `json:"attachment,omitempty"`
	Status     *Status     `json:"status,omitempty"`
}

// Status describes the running network process.
type Status struct {
	PID        int          `json:"pid"` // in the network process's own pid namespace
	Subnet     netip.Prefix `json:"subnet,omitzero"`
	Uplink     string       `json:"uplink,omitempty"` // empty while none runs
	UplinkPID  int          `json:"uplinkPid,omitempty"`
	Containers int          `json:"containers"`
	Goroutines int          `json:"goroutines"` // of the network process
}
