package netd

import (
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Marks and the routing table that keep a client's address on published ports,
// see forward.go. They mean something only inside the bridge's namespace.
//
// The socket's mark must differ from the one that the routing rule looks for:
// the outgoing packet must take the ordinary route to the container.
const (
	socketMark     = 0x726c0001 // on sockets that use a client's address
	replyMark      = 0x726c0002 // on the answers to them
	localTable     = 0x726c
	localTablePrio = 100
)

// setupFirewall installs the rules of the bridge's namespace:
//
//	postrouting: what leaves through the uplink gets the uplink's address
//	output:      connections of sockets with socketMark are remembered
//	prerouting:  their answers get replyMark, by which they are routed to lo
//
// In one transaction, so there is never a part of it.
func setupFirewall(ns *namespace, h *netlink.Handle) error {
	err := ns.do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		addRules(conn)
		return conn.Flush()
	})
	if err != nil {
		return fmt.Errorf("setting up nftables in the bridge's namespace (are the kernel modules nf_tables, nft_masq and nft_ct there?): %w", err)
	}
	return routeRepliesLocally(h)
}

func addRules(conn *nftables.Conn) {
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "rl"})
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return conn.AddChain(&nftables.Chain{Table: table, Name: name, Type: kind, Hooknum: hook, Priority: priority})
	}
	rule := func(c *nftables.Chain, parts ...[]expr.Any) {
		var all []expr.Any
		for _, p := range parts {
			all = append(all, p...)
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: c, Exprs: all})
	}
	post := chain("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	rule(post, ifMeta(expr.MetaKeyOIFNAME, ifname(tapName)), []expr.Any{&expr.Masq{}})
	out := chain("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityMangle)
	rule(out, ifMeta(expr.MetaKeyMARK, number(socketMark)), setConnectionMark(replyMark))
	pre := chain("prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle)
	rule(pre, ifMeta(expr.MetaKeyIIFNAME, ifname(bridgeName)), ifConnectionMark(replyMark), setMark(replyMark))
}

// routeRepliesLocally delivers packets with replyMark here although their
// destination is an address of somebody else.
func routeRepliesLocally(h *netlink.Handle) error {
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	route := &netlink.Route{
		LinkIndex: loopbackIndex, Table: localTable, Dst: all,
		Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
	}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("adding the route for clients' addresses: %w", err)
	}
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table, rule.Priority = unix.AF_INET, replyMark, localTable, localTablePrio
	if err := h.RuleAdd(rule); err != nil {
		return fmt.Errorf("adding the routing rule for clients' addresses: %w", err)
	}
	return nil
}

func ifMeta(key expr.MetaKey, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value},
	}
}

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
