package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

// networkCommands work on networks. What changes them runs in the user namespace,
// whose user 0 owns their records.
var networkCommands = []command{
	{
		name: "network create", group: groupNetworks, makes: true, rehearsed: true, where: inside,
		summary: "Create a network where containers find each other by name", usage: "[flags] NAME",
		examples: []string{"rl network create front", "rl network create --subnet 10.9.8.0/24 --internal back"},
		new:      func() any { return new(networkCreateCmd) },
	},
	{
		name: "network ls", aliases: []string{"network list"}, group: groupNetworks,
		summary: "List networks", usage: "[flags]",
		examples: []string{"rl network ls", "rl network ls -q --filter type=custom"},
		new:      func() any { return new(networkLsCmd) },
	},
	{
		name: "network inspect", group: groupNetworks,
		summary: "Show everything about networks", usage: "[flags] NETWORK [NETWORK...]",
		examples: []string{"rl network inspect front", "rl network inspect -f '{{(index .IPAM.Config 0).Subnet}}' front"},
		new:      func() any { return new(networkInspectCmd) },
	},
	{
		name: "network connect", group: groupNetworks, where: inside,
		summary: "Put a container on one more network, also while it runs", usage: "[flags] NETWORK CONTAINER",
		examples: []string{"rl network connect front web", "rl network connect --alias db --ip 10.9.8.7 back postgres"},
		new:      func() any { return new(networkConnectCmd) },
	},
	{
		name: "network disconnect", group: groupNetworks, where: inside,
		summary: "Take a container off a network, also while it runs", usage: "[flags] NETWORK CONTAINER",
		examples: []string{"rl network disconnect front web", "rl network disconnect -f front web"},
		new:      func() any { return new(networkDisconnectCmd) },
	},
	{
		name: "network rm", aliases: []string{"network remove"}, group: groupNetworks, where: inside,
		summary: "Remove networks that no running container is on", usage: "[flags] NETWORK [NETWORK...]",
		examples: []string{"rl network rm front", "rl network rm -f front back"},
		new:      func() any { return new(networkRmCmd) },
	},
	{
		name: "network prune", group: groupNetworks, where: inside,
		summary: "Remove all networks that no container uses", usage: "[flags]",
		examples: []string{"rl network prune", "rl network prune -f --filter until=24h"},
		new:      func() any { return new(networkPruneCmd) },
	},
}

type networkCreateCmd struct {
	Driver   string   `short:"d" default:"bridge" placeholder:"DRIVER" help:"Only bridge exists."`
	Subnet   []string `sep:"none" placeholder:"SUBNET" help:"Addresses of the network, 10.9.8.0/24 for example; one more for IPv6."`
	Gateway  []string `sep:"none" placeholder:"IP" help:"Address of the way out, the first of the subnet if not given."`
	IPRange  string   `name:"ip-range" placeholder:"SUBNET" help:"Take containers' addresses from this part of the subnet."`
	Internal bool     `help:"Give it no way out; names resolve all the same."`
	IPv6     bool     `name:"ipv6" help:"Give it IPv6, too."`
	Egress   []string `sep:"none" placeholder:"POLICY" help:"What its containers may reach outside: allow=HOST[:PORT],CIDR[:PORT],... or deny."`
	Label    []string `sep:"none" placeholder:"KEY=VALUE" help:"Add a label."`
	Opt      []string `short:"o" sep:"none" placeholder:"KEY=VALUE" help:"mtu=BYTES is the largest packet, 65520 if not given."`
	Name     string   `arg:"" optional:""`
}

func (c *networkCreateCmd) Run(a *app) error {
	want, err := c.network()
	if err != nil {
		return usagef("%w", err)
	}
	store, err := a.networks()
	if err != nil {
		return err
	}
	made, err := store.Create(want, c.IPv6)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if !a.rehearsing() {
		a.printf("%s\n", made.ID)
	}
	return nil
}

// networks returns the person's networks.
func (a *app) networks() (network.Store, error) {
	places, err := a.dirs()
	return network.Store{Data: places.Data}, err
}

func (c *networkCreateCmd) network() (n network.Network, err error) {
	if c.Name == "" {
		return n, errors.New("no name: a network is made with 'rl network create NAME'")
	}
	n.Name, n.Internal = c.Name, c.Internal
	if err := checkDriver(c.Driver); err != nil {
		return n, err
	}
	if n.Egress, err = slirp.ParseEgress(c.Egress); err != nil {
		return n, fmt.Errorf("--egress: %w", err)
	}
	if len(c.Label) > 0 {
		n.Labels = map[string]string{}
	}
	if err := spec.ParseLabels(n.Labels, "--label", c.Label); err != nil {
		return n, err
	}
	if err := c.addresses(&n); err != nil {
		return n, err
	}
	return n, c.options(&n)
}

// checkDriver refuses every driver but bridge, and says what to do without.
func checkDriver(driver string) error {
	switch driver {
	case slirp.DefaultNetwork:
		return nil
	case "host":
		return errors.New("--driver host: the network host is there already: --network host")
	case "null", "none":
		return fmt.Errorf("--driver %s: the network none is there already: --network none", driver)
	}
	if why := network.WhyNot(driver); why != "" {
		return fmt.Errorf("--driver %s: %s", driver, why)
	}
	return fmt.Errorf("--driver %q: there are no plugins, only bridge", driver)
}

// addresses reads --subnet, --gateway and --ip-range.
func (c *networkCreateCmd) addresses(n *network.Network) error {
	for _, word := range c.Subnet {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			return fmt.Errorf("--subnet %q is not like 10.9.8.0/24", word)
		}
		place := &n.Subnet
		if p.Addr().Is6() {
			place = &n.Subnet6
		}
		if place.IsValid() {
			return fmt.Errorf("--subnet %s: there is %s already; a network has one, and one more for IPv6", word, place)
		}
		*place = p
	}
	for _, word := range c.Gateway {
		ip, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("--gateway %q is not an IP address", word)
		}
		place := &n.Gateway
		if ip.Is6() {
			place = &n.Gateway6
		}
		if place.IsValid() {
			return fmt.Errorf("--gateway %s: there is %s already", word, place)
		}
		*place = ip
	}
	return c.ipRange(n)
}

func (c *networkCreateCmd) ipRange(n *network.Network) error {
	if c.IPRange == "" {
		return nil
	}
	p, err := netip.ParsePrefix(c.IPRange)
	if err != nil {
		return fmt.Errorf("--ip-range %q is not like 10.9.8.128/25", c.IPRange)
	}
	if p.Addr().Is6() {
		return fmt.Errorf("--ip-range %s: IPv6 addresses go by the IPv4 ones: give a range of those", p)
	}
	n.IPRange = p
	return nil
}

// mtuOptions are the names of the option for the largest packet, ours and Docker's.
var mtuOptions = []string{"mtu", "com.docker.network.driver.mtu"}

func (c *networkCreateCmd) options(n *network.Network) error {
	for _, word := range c.Opt {
		key, value, found := strings.Cut(word, "=")
		if !found || key == "" {
			return fmt.Errorf("--opt %q is not like KEY=VALUE", word)
		}
		if !slices.Contains(mtuOptions, key) {
			return fmt.Errorf("--opt %s: rl's bridges have one option, mtu; they lie in a namespace of rl's own, where the host's firewall and names of interfaces are not", key)
		}
		mtu, err := strconv.Atoi(value)
		if err != nil || mtu < 68 || mtu > 65535 || n.Subnet6.IsValid() && mtu < 1280 || c.IPv6 && mtu < 1280 {
			return fmt.Errorf("--opt %s: the largest packet has 68 to 65535 bytes, with IPv6 at least 1280", word)
		}
		if n.MTU = mtu; n.Options == nil {
			n.Options = map[string]string{}
		}
		n.Options[key] = value
	}
	return nil
}

type networkConnectCmd struct {
	Alias     []string `sep:"none" placeholder:"NAME" help:"One more name by which others on the network find it."`
	IP        string   `name:"ip" placeholder:"IP" help:"Its IPv4 address."`
	IP6       string   `name:"ip6" placeholder:"IP" help:"Its IPv6 address."`
	Link      []string `sep:"none" placeholder:"CONTAINER[:ALIAS]" help:"Find another container by a name that only this one has for it."`
	Network   string   `arg:""`
	Container string   `arg:""`
}

func (c *networkConnectCmd) Run(a *app) error {
	if strings.ContainsAny(c.Network, ",=:") {
		return usagef("network %q: give one name", c.Network)
	}
	wishes := []network.Wish{{Network: c.Network}}
	own := network.Personal{IP: c.IP, IP6: c.IP6, Aliases: c.Alias, Links: c.Link}
	if err := own.Apply(c.Network, wishes); err != nil {
		return usagef("%w", err)
	}
	store, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	notes, err := store.ConnectNetwork(context.Background(), v.ID, wishes[0])
	if err == nil {
		a.printNotes(notes)
	}
	return err
}

type networkDisconnectCmd struct {
	Force     bool   `short:"f" help:"Be content when the container or the network is gone."`
	Network   string `arg:""`
	Container string `arg:""`
}

func (c *networkDisconnectCmd) Run(a *app) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	v, err := store.Find(c.Container)
	if err != nil && c.Force {
		return nil
	}
	if err != nil {
		return err
	}
	notes, err := store.DisconnectNetwork(context.Background(), v.ID, c.Network)
	if err == nil {
		a.printNotes(notes)
	}
	return err
}

type networkRmCmd struct {
	Force    bool     `short:"f" help:"Say nothing of networks that are not there."`
	Networks []string `arg:"" name:"network"`
}

func (c *networkRmCmd) Run(a *app) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	failed := false
	for _, word := range c.Networks {
		name, err := store.RemoveNetwork(word)
		switch {
		case err == nil:
			a.printf("%s\n", name)
		case c.Force && errors.Is(err, network.ErrNotFound):
		default:
			a.warnf("%v", err)
			failed = true
		}
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}

// networkNames lists networks for completion.
func (a *app) networkNames() []candidate {
	list := []candidate{}
	for _, n := range network.BuiltIns() {
		list = append(list, candidate{n.Name, "always there"})
	}
	store, err := a.networks()
	if err != nil {
		return list
	}
	own, _ := store.List() // some are better than none
	for _, n := range own {
		list = append(list, candidate{n.Name, n.Subnet.String()})
	}
	return list
}
