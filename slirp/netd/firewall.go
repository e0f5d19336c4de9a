package netd

import (
	"errors"
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Marks and the routing table that keep a client's address on published ports,
// see forward.go. They mean something only inside the bridges' namespace.
//
// The socket's mark must differ from the one that the routing rule looks for:
// the outgoing packet must take the ordinary route to the container.
const (
	socketMark     = 0x726c0001 // on sockets that use a client's address
	replyMark      = 0x726c0002 // on the answers to them
	localTable     = 0x726c
	localTablePrio = 100
)

var (
	rulesTable = &nftables.Table{Family: nftables.TableFamilyINet, Name: "rl"}
	// pairs are the ways that packets may take: from one interface to another.
	pairs = nftables.Set{
		Table: rulesTable, Name: "pairs", Concatenation: true,
		KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIFName),
	}
	// gateways are the router's own addresses, each reached over its bridge only.
	gateways = nftables.Set{
		Table: rulesTable, Name: "gateways", Concatenation: true,
		KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIPAddr),
	}
)

// setupFirewall installs the rules of the bridges' namespace, in place of any
// that are there:
//
//	forward:     only the pairs, which come and go with the bridges
//	input:       what is for a gateway comes over that gateway's bridge
//	postrouting: what leaves through the uplink gets the uplink's address
//	output:      connections of sockets with socketMark are remembered
//	prerouting:  their answers get replyMark, by which they are routed to lo
//
// In one transaction, so there is never a part of it. What is known of bridges
// of a process before stays: until their containers are back, packets to a
// gateway would get lost, and whoever asks for a name wait for seconds instead
// of being told to ask again.
func setupFirewall(ns *namespace, inherited bool) error {
	err := ns.nftables(func(conn *nftables.Conn) error {
		var ways, own []nftables.SetElement
		if inherited {
			// Another version may not have had them.
			ways, _ = conn.GetSetElements(&pairs)
			own, _ = conn.GetSetElements(&gateways)
		}
		conn.AddTable(rulesTable) // so that there is one to delete
		conn.DelTable(rulesTable)
		conn.AddTable(rulesTable)
		return addRules(conn, ways, own)
	})
	if err != nil {
		return fmt.Errorf("setting up nftables in the bridges' namespace (are the kernel modules nf_tables, nft_masq and nft_ct there?): %w", err)
	}
	return nil
}

// nftables runs one transaction in the namespace.
func (ns *namespace) nftables(f func(*nftables.Conn) error) error {
	return ns.do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		if err := f(conn); err != nil {
			return err
		}
		return conn.Flush()
	})
}

func addRules(conn *nftables.Conn, ways, own []nftables.SetElement) error {
	pairs, gateways := pairs, gateways // they get numbers for this transaction
	if err := conn.AddSet(&pairs, ways); err != nil {
		return err
	}
	if err := conn.AddSet(&gateways, own); err != nil {
		return err
	}
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return conn.AddChain(&nftables.Chain{Table: rulesTable, Name: name, Type: kind, Hooknum: hook, Priority: priority})
	}
	rule := func(c *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, p := range parts {
			all = append(all, p...)
		}
		conn.AddRule(&nftables.Rule{Table: rulesTable, Chain: c, Exprs: all})
	}
	accept, drop := verdict(expr.VerdictAccept), verdict(expr.VerdictDrop)

	forward := chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	rule(forward, interfaces(expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME), in(&pairs), accept)
	rule(forward, drop)
	input := chain("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	rule(input, ifMeta(expr.MetaKeyIIFNAME, ifname("lo")), accept)
	rule(input, ifMeta(expr.MetaKeyIIFNAME, ifname(tapName)), accept)
	rule(input, ifMeta(expr.MetaKeyMARK, number(replyMark)), accept)
	rule(input, ifMeta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV6}), accept)
	rule(input, interfaces(expr.MetaKeyIIFNAME), destinationBehind(), in(&gateways), accept)
	rule(input, drop)
	post := chain("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	rule(post, ifMeta(expr.MetaKeyOIFNAME, ifname(tapName)), []expr.Any{&expr.Masq{}})
	out := chain("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityMangle)
	rule(out, ifMeta(expr.MetaKeyMARK, number(socketMark)), setConnectionMark(replyMark))
	pre := chain("prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle)
	rule(pre, ifConnectionMark(replyMark), setMark(replyMark))
	return nil
}

// changeRules adds or removes what the rules know of a bridge: its containers
// reach one another, and through the uplink the world unless it is internal.
func (r *router) changeRules(b *bridge, there bool) error {
	ways := [][2]string{{b.device, b.device}}
	if !b.spec.Internal {
		ways = append(ways, [2]string{b.device, tapName}, [2]string{tapName, b.device})
	}
	var allowed []nftables.SetElement
	for _, w := range ways {
		allowed = append(allowed, nftables.SetElement{Key: append(ifname(w[0]), ifname(w[1])...)})
	}
	own := []nftables.SetElement{{Key: append(ifname(b.device), b.spec.Gateway.AsSlice()...)}}
	return r.ns.nftables(func(conn *nftables.Conn) error {
		change := conn.SetDeleteElements
		if there {
			change = conn.SetAddElements
		}
		if err := change(&pairs, allowed); err != nil {
			return err
		}
		return change(&gateways, own)
	})
}

// routeRepliesLocally delivers packets with replyMark here although their
// destination is an address of somebody else.
func routeRepliesLocally(h *netlink.Handle) error {
	for family, all := range map[int]string{unix.AF_INET: "0.0.0.0/0", unix.AF_INET6: "::/0"} {
		_, all, _ := net.ParseCIDR(all)
		route := &netlink.Route{
			LinkIndex: loopbackIndex, Table: localTable, Dst: all,
			Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
		}
		rule := netlink.NewRule()
		rule.Family, rule.Mark, rule.Table, rule.Priority = family, replyMark, localTable, localTablePrio
		if err := errors.Join(h.RouteAdd(route), h.RuleAdd(rule)); err != nil && (family == unix.AF_INET || hasIPv6()) {
			return fmt.Errorf("routing the answers to clients' addresses: %w", err)
		}
	}
	return nil
}

func ifMeta(key expr.MetaKey, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value},
	}
}

// interfaces loads names of interfaces into registers from the first on, each
// of which is as long as a name.
func interfaces(keys ...expr.MetaKey) (list []expr.Any) {
	for i, key := range keys {
		list = append(list, &expr.Meta{Key: key, Register: uint32(1 + i)})
	}
	return list
}

// destinationBehind loads the destination of an IPv4 packet behind one name.
func destinationBehind() []expr.Any {
	const offset, length = 16, 4 // of the destination in the header
	return []expr.Any{&expr.Payload{DestRegister: 2, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}}
}

// in matches when the registers from the first on are an element of a set.
func in(set *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID}}
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func ifConnectionMark(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: number(mark)},
	}
}

func setConnectionMark(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: number(mark)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}
}

func setMark(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: number(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1, SourceRegister: true},
	}
}

func number(n uint32) []byte { return binaryutil.NativeEndian.PutUint32(n) }

// ifname is an interface name as the kernel compares it, padded with zeros.
func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}
