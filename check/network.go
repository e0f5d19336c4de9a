package check

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/slirp"
)

func network(_ context.Context, m *machine) []Item {
	var items []Item
	if !m.forbidden {
		items = m.linkItems()
	}
	return append(items, m.tunItem(), m.uplinkItem(), m.ipv6Item(), m.portItem(), clientItem(), m.pingItem())
}

// linkItems make what the bridge network consists of, in a network namespace that is thrown away.
func (m *machine) linkItems() []Item {
	var items []Item
	var works []string
	for _, l := range []struct {
		name, module, cost string
		family             int
		message            []byte
	}{
		{"bridge", "bridge", "only --network host and none work", unix.NETLINK_ROUTE, newLink("bridge")},
		{"veth", "veth", "only --network host and none work", unix.NETLINK_ROUTE, newLink("veth")},
		{"nftables", "nf_tables", "only --network host and none work", unix.NETLINK_NETFILTER, newTable()},
	} {
		if err := m.talk(unix.CLONE_NEWNET, l.family, l.message); err != nil {
			items = append(items, Item{Name: l.name, Status: Degraded, Found: reason(err), Cost: l.cost, Fix: loadModule(l.module)})
			continue
		}
		works = append(works, l.name)
	}
	if len(works) > 0 {
		items = append([]Item{good("virtual network", strings.Join(works, " "))}, items...)
	}
	return items
}

func loadModule(name string) Fix {
	return Fix{Lines: []string{"modprobe " + name, "echo " + name + " >> /etc/modules-load.d/rl.conf"}}
}

func (m *machine) tunItem() Item {
	i := good("/dev/net/tun", "usable")
	if err := m.usable("/dev/net/tun"); err != nil {
		i.Status, i.Found, i.Cost = Degraded, reason(err), "containers do not reach the outside, except with --network host"
		i.Fix.Lines = []string{"modprobe tun", "chmod 0666 /dev/net/tun"}
	}
	return i
}

// uplinkItem names the program that carries packets to the outside. The last resort is built in.
func (m *machine) uplinkItem() Item {
	var rejected []string
	for _, name := range slirp.Uplinks() {
		if name == slirp.Builtin {
			break
		}
		path, err := m.lookPath(name)
		if err == nil {
			err = slirp.CheckUplink(name, path)
		} else {
			err = fmt.Errorf("%s is not installed", name)
		}
		if err != nil {
			rejected = append(rejected, err.Error())
			continue
		}
		i := good("uplink", path)
		if name != slirp.Pasta {
			i.Status, i.Found, i.Cost, i.Fix = Degraded, path+" ("+strings.Join(rejected, ", ")+")", slowUplink, fasterUplink()
		}
		return i
	}
	return Item{Name: "uplink", Status: Degraded, Found: "built in (" + strings.Join(rejected, ", ") + ")", Cost: slowUplink, Fix: fasterUplink()}
}

// ipv6Item is about the way out of networks that have IPv6.
func (m *machine) ipv6Item() Item {
	_, noPasta := m.lookPath(slirp.Pasta)
	_, noSlirp := m.lookPath(slirp.Slirp4netns)
	switch {
	case !leadsOut(m.read("/proc/net/ipv6_route")):
		return good("IPv6", "the host has no way to the outside over it")
	case noPasta != nil && noSlirp != nil:
		return Item{Name: "IPv6", Status: Degraded, Found: "the built-in uplink has none",
			Cost: "containers reach the outside over IPv4 only", Fix: fasterUplink()}
	}
	return good("IPv6", "networks made with --ipv6 reach the outside")
}

// leadsOut looks for a default route that is not of the kind that refuses, in
// the kernel's table of IPv6 routes.
func leadsOut(table string) bool {
	const refuses = 0x200 // RTF_REJECT
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || strings.Trim(f[0]+f[1], "0") != "" {
			continue
		}
		if flags, err := strconv.ParseUint(f[8], 16, 32); err == nil && flags&refuses == 0 {
			return true
		}
	}
	return false
}

// clientItem says whose address a container does not see.
func clientItem() Item {
	return good("client addresses", "arrive through published ports, but for the host's loopback addresses, and for IPv6 ones where the container has no IPv6 address")
}

// slowUplink is by RootlessKit's measurements at MTU 65520.
const slowUplink = "traffic to the outside has about a quarter of the speed that pasta gives"

func fasterUplink() Fix {
	return Fix{Packages: []string{"pasta"}, Optional: true, Why: "for a faster network (2024-03-20 or newer)"}
}

// portItem is about publishing ports such as 80. Root's containers are under the same rule: what listens for
// them lives in a user namespace.
func (m *machine) portItem() Item {
	const setting = "net.ipv4.ip_unprivileged_port_start"
	value, _ := m.sysctl(setting)
	if start, err := strconv.Atoi(value); err == nil && start <= 80 {
		return good("low ports", "can be published from "+strconv.Itoa(max(start, 1))+" on")
	}
	return Item{Name: "low ports", Status: Degraded, Found: setting + " = " + value,
		Cost: "host ports below " + value + " cannot be published",
		Fix:  Fix{Sysctls: []string{setting + " = 80"}, Optional: true, Why: "let every user listen on port 80 and above"}}
}

// everyGroup is the widest range the kernel takes.
const everyGroup = "0 2147483647"

// pingItem: what carries the packets outside needs the right to send echo requests there. Root's has a group of
// the range that root maps for containers.
func (m *machine) pingItem() Item {
	const setting = "net.ipv4.ping_group_range"
	value, _ := m.sysctl(setting)
	var first, last int
	_, err := fmt.Sscan(value, &first, &last)
	if value == everyGroup || err == nil && m.uid != 0 && m.gid >= first && m.gid <= last {
		return good("ping", "reaches the outside; over IPv6 with pasta only")
	}
	return Item{Name: "ping", Status: Degraded, Found: setting + " = " + value, Cost: "containers cannot ping the outside",
		Fix: Fix{Sysctls: []string{setting + " = " + everyGroup}, Optional: true, Why: "let every user send pings"}}
}
