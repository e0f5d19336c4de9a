package netd

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

// egress enforces what containers may reach through the uplink, by a table of
// its own that nothing but a change of a policy touches:
//
//	forward:  not to the uplink, or of a connection that was allowed: accept
//	          source and destination (and port) in the sets of names: accept
//	          source with a policy: its chain
//	policies: from the container's address to its chain
//	chain:    the addresses and ports that the policy names, else log and reject
//
// The sets hold the addresses of the names that the name server told the
// container, each as long as the answer is good. The table stays when the
// network process is killed, and with it every denial: what it allows only
// becomes less with time.
type egress struct {
	ns     *namespace
	denied func(slirp.Denial)

	mu       sync.Mutex
	there    bool // the table
	policies map[netip.Addr]*policy
	// left are containers of a process that was killed, whose monitors have not
	// come back yet.
	left map[netip.Addr]bool
}

// policy is that of one container on one network.
type policy struct {
	slirp.Egress
	id, name string
}

// Bounds on how long the address of a name is allowed. Programs connect some
// moments after they have asked, also where the answer is good for none.
const (
	shortestName = 10 * time.Second
	longestName  = 24 * time.Hour
)

const egressPriority = -1 // just before the rules between the bridges

var (
	egressTable = &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "rl_egress"}
	guardTable  = &nftables.Table{Family: nftables.TableFamilyNetdev, Name: "rl_guard"}

	policyMap = nftables.Set{
		Table: egressTable, Name: "policies", IsMap: true,
		KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict,
	}
	nameSet = nftables.Set{
		Table: egressTable, Name: "names", Concatenation: true, HasTimeout: true,
		KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr),
	}
	namePortSet = nftables.Set{
		Table: egressTable, Name: "name_ports", Concatenation: true, HasTimeout: true,
		KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetService),
	}
)

// newEgress takes up what a process that was killed has left.
func newEgress(ns *namespace, inherited bool, denied func(slirp.Denial)) (*egress, error) {
	e := &egress{ns: ns, denied: denied, policies: map[netip.Addr]*policy{}, left: map[netip.Addr]bool{}}
	if !inherited {
		return e, nil
	}
	err := ns.nftables(func(conn *nftables.Conn) error {
		tables, err := conn.ListTablesOfFamily(egressTable.Family)
		if err != nil {
			return err
		}
		e.there = slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == egressTable.Name })
		if !e.there {
			return nil
		}
		elements, err := conn.GetSetElements(&policyMap)
		if err != nil {
			return err
		}
		for _, element := range elements {
			ip, _ := netip.AddrFromSlice(element.Key)
			e.left[ip] = true
		}
		return nil
	})
	if err == nil && e.there {
		err = e.watch()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the egress policies of the network process before: %w", err)
	}
	return e, nil
}

// apply gives the container with address ip its policy, nil for none, before
// its interface is there. restore says that it had it already: the addresses
// of names stay, and at no moment is there none.
func (e *egress) apply(ip netip.Addr, p *policy, restore bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.left[ip] || e.policies[ip] != nil
	delete(e.left, ip)
	if was && !restore {
		if err := e.remove(ip); err != nil {
			return fmt.Errorf("egress: %w", err)
		}
		was = false
	}
	if p == nil {
		return nil
	}
	if err := e.install(ip, p, was); err != nil {
		return fmt.Errorf("egress: enforcing the policy with nftables (are the kernel modules nft_reject_ipv4, nft_log and nfnetlink_log there?): %w", err)
	}
	e.policies[ip] = p
	return nil
}

// install writes the policy's chain, in one transaction.
func (e *egress) install(ip netip.Addr, p *policy, exists bool) error {
	if err := e.prepare(); err != nil {
		return err
	}
	if !exists {
		forgetConnections(e.ns, ip)
	}
	return e.ns.nftables(func(conn *nftables.Conn) error {
		chain := conn.AddChain(&nftables.Chain{Table: egressTable, Name: chainOf(ip)})
		conn.FlushChain(chain)
		for _, r := range p.Allow {
			if r.Host == "" {
				addAllowed(conn, chain, r)
			}
		}
		addRule(conn, chain, []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: denialsPerSecond, Unit: expr.LimitTimeSecond, Burst: denialsPerSecond},
			&expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_SNAPLEN, Group: denialGroup, Snaplen: denialBytes}})
		addRule(conn, chain, ifMeta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
		addRule(conn, chain, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: icmpProhibited}})
		if exists {
			return nil
		}
		return conn.SetAddElements(&policyMap, []nftables.SetElement{{
			Key: ip.AsSlice(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain.Name},
		}})
	})
}

const icmpProhibited = 13 // administratively prohibited, RFC 1812

func chainOf(ip netip.Addr) string { return "c" + ip.String() }

// prepare makes the table before the first policy. The caller holds the lock.
func (e *egress) prepare() error {
	if e.there {
		return nil
	}
	if err := e.ns.nftables(addEgressTable); err != nil {
		return err
	}
	e.there = true
	return e.watch()
}

func addEgressTable(conn *nftables.Conn) error {
	conn.AddTable(egressTable)
	policies, names, ports := policyMap, nameSet, namePortSet // they get numbers for this transaction
	for _, set := range []*nftables.Set{&policies, &names, &ports} {
		if err := conn.AddSet(set, nil); err != nil {
			return err
		}
	}
	forward := conn.AddChain(&nftables.Chain{
		Table: egressTable, Name: "forward", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityRef(egressPriority),
	})
	accept := verdict(expr.VerdictAccept)
	addRule(conn, forward, []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: ifname(tapName)}}, accept)
	addRule(conn, forward, ifEstablished(), accept)
	addRule(conn, forward, addresses(), in(&names), accept)
	for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		addRule(conn, forward, ifMeta(expr.MetaKeyL4PROTO, []byte{protocol}), addresses(), destinationPort(afterAddresses), in(&ports), accept)
	}
	addRule(conn, forward, payload(1, expr.PayloadBaseNetworkHeader, 12, 4),
		[]expr.Any{&expr.Lookup{SourceRegister: 1, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: policies.Name, SetID: policies.ID}})
	return nil
}

func addRule(conn *nftables.Conn, chain *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: all})
}

// addAllowed lets a range of addresses pass, by one port or by all.
func addAllowed(conn *nftables.Conn, chain *nftables.Chain, r slirp.EgressRule) {
	mask := net.CIDRMask(r.Prefix.Bits(), 32)
	there := append(payload(1, expr.PayloadBaseNetworkHeader, 16, 4),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: r.Prefix.Masked().Addr().AsSlice()})
	accept := verdict(expr.VerdictAccept)
	if r.Port == 0 {
		addRule(conn, chain, there, accept)
		return
	}
	for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		addRule(conn, chain, there, ifMeta(expr.MetaKeyL4PROTO, []byte{protocol}), destinationPort(1),
			[]expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: bigEndian(r.Port)}}, accept)
	}
}

// ifEstablished matches packets of connections that were allowed to begin, and
// errors about them.
func ifEstablished() []expr.Any {
	wanted := number(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: wanted, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// addresses loads source and destination; they lie behind one another in the
// header, and the port after them has the next register of four bytes.
func addresses() []expr.Any {
	return payload(1, expr.PayloadBaseNetworkHeader, 12, 8)
}

const afterAddresses = unix.NFT_REG32_00 + 2

func destinationPort(register uint32) []expr.Any {
	return payload(register, expr.PayloadBaseTransportHeader, 2, 2)
}

func payload(register uint32, base expr.PayloadBase, offset, length uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}}
}

func bigEndian(port uint16) []byte { return []byte{byte(port >> 8), byte(port)} }

// clear removes the policy of an address whose container's interface is gone.
func (e *egress) clear(ip netip.Addr) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.policies[ip] == nil && !e.left[ip] {
		return nil
	}
	delete(e.policies, ip)
	delete(e.left, ip)
	return e.remove(ip)
}

// remove takes a container's chain away, and all that was allowed for it.
func (e *egress) remove(ip netip.Addr) error {
	return e.ns.nftables(func(conn *nftables.Conn) error {
		for _, set := range []*nftables.Set{&nameSet, &namePortSet} {
			if err := forgetNames(conn, set, ip); err != nil {
				return err
			}
		}
		if err := conn.SetDeleteElements(&policyMap, []nftables.SetElement{{
			Key: ip.AsSlice(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: chainOf(ip)},
		}}); err != nil {
			return err
		}
		chain := &nftables.Chain{Table: egressTable, Name: chainOf(ip)}
		conn.FlushChain(chain)
		conn.DelChain(chain)
		return nil
	})
}

func forgetNames(conn *nftables.Conn, set *nftables.Set, ip netip.Addr) error {
	elements, err := conn.GetSetElements(set)
	if err != nil {
		return err
	}
	var own []nftables.SetElement
	for _, element := range elements {
		if bytes.HasPrefix(element.Key, ip.AsSlice()) {
			own = append(own, nftables.SetElement{Key: element.Key})
		}
	}
	if len(own) == 0 {
		return nil
	}
	return conn.SetDeleteElements(set, own)
}

// forgetConnections ends what the kernel remembers of one that had the address
// before: its connections were allowed by nobody's policy.
func forgetConnections(ns *namespace, ip netip.Addr) {
	_ = ns.do(func() error {
		filter := new(netlink.ConntrackFilter)
		if err := filter.AddIP(netlink.ConntrackOrigSrcIP, ip.AsSlice()); err != nil {
			return err
		}
		_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(unix.AF_INET), filter)
		return err
	})
}

// guard sees to it that no packet comes over the host's end of a container's
// interface but from ip: with the address of a neighbour it would have that
// one's policy. IPv6 reaches no further than the container's network, subnet6:
// the other policies are about IPv4. It goes with the device, and must be there
// before that is up.
func (e *egress) guard(device string, ip netip.Addr, subnet6 netip.Prefix) error {
	e.mu.Lock()
	restricted := e.policies[ip] != nil
	e.mu.Unlock()
	if !restricted {
		return nil
	}
	err := e.ns.nftables(func(conn *nftables.Conn) error {
		conn.AddTable(guardTable)
		chain := conn.AddChain(&nftables.Chain{
			Table: guardTable, Name: device, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFilter, Device: device,
		})
		addRule(conn, chain, ifMeta(expr.MetaKeyPROTOCOL, bigEndian(unix.ETH_P_IP)), payload(1, expr.PayloadBaseNetworkHeader, 12, 4),
			[]expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: ip.AsSlice()}}, verdict(expr.VerdictDrop))
		isIPv6 := ifMeta(expr.MetaKeyPROTOCOL, bigEndian(unix.ETH_P_IPV6))
		for _, near := range []netip.Prefix{subnet6, linkLocal6, multicast6} {
			if near.IsValid() {
				addRule(conn, chain, isIPv6, toPrefix6(near), verdict(expr.VerdictAccept))
			}
		}
		addRule(conn, chain, isIPv6, verdict(expr.VerdictDrop))
		return nil
	})
	if err != nil {
		return fmt.Errorf("egress: keeping the container to its address (is the kernel built with NETFILTER_INGRESS?): %w", err)
	}
	return nil
}

var (
	linkLocal6 = netip.MustParsePrefix("fe80::/10")
	multicast6 = netip.MustParsePrefix("ff00::/8")
)

// toPrefix6 matches IPv6 packets with a destination in p.
func toPrefix6(p netip.Prefix) []expr.Any {
	const offset, length = 24, 16 // of the destination in the header
	return append(payload(1, expr.PayloadBaseNetworkHeader, offset, length),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: length, Mask: net.CIDRMask(p.Bits(), 128), Xor: make([]byte, length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()})
}
