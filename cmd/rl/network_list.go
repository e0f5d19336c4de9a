package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

type networkLsCmd struct {
	Filter  []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only networks with this: dangling, driver, id, label, name, scope, type (builtin or custom)."`
	Format  string   `placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.Name}}'."`
	NoTrunc bool     `help:"Do not shorten ids."`
	Quiet   bool     `short:"q" help:"Print only ids."`
}

func (c *networkLsCmd) Run(a *app) error {
	filter, err := parseNetworkFilter(c.Filter)
	if err != nil {
		return usagef("%w", err)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	own, failed := network.Store{Data: store.Data}.List()
	list := append(network.BuiltIns(), own...)
	slices.SortFunc(list, func(a, b network.Network) int { return strings.Compare(a.Name, b.Name) })
	users := map[string][]runner.View{}
	if len(filter["dangling"]) > 0 {
		if users, err = networkUsers(store); err != nil {
			return err
		}
	}
	rows := []networkRow{}
	for _, n := range list {
		if filter.match(n, len(users[n.Name]) > 0) {
			rows = append(rows, newNetworkRow(n, c.NoTrunc))
		}
	}
	if c.Quiet && c.Format == "" {
		c.Format = "{{.ID}}"
	}
	if err := format.List(a.stdout, c.Format, `{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}`, networkHeader, rows); err != nil {
		return err
	}
	return failed
}

// networkUsers tells which running containers are on each network, by its name.
func networkUsers(s runner.Store) (map[string][]runner.View, error) {
	views, err := s.Glance(true)
	users := map[string][]runner.View{}
	for _, v := range views {
		for _, w := range v.Networks {
			users[w.Network] = append(users[w.Network], v)
		}
	}
	return users, err
}

// networkRow has the columns of `network ls`.
type networkRow struct {
	CreatedAt, Driver, ID, IPv4, IPv6, Internal, Labels, Name, Scope string
	labels                                                           map[string]string
}

var networkHeader = networkRow{
	CreatedAt: "CREATED AT", Driver: "DRIVER", ID: "NETWORK ID", IPv4: "IPV4", IPv6: "IPV6", Internal: "INTERNAL",
	Labels: "LABELS", Name: "NAME", Scope: "SCOPE",
}

// Label returns the value of one label; in the header, its name.
func (r networkRow) Label(name string) string {
	if r.Name == networkHeader.Name {
		return strings.ToUpper(name)
	}
	return r.labels[name]
}

func newNetworkRow(n network.Network, whole bool) networkRow {
	r := networkRow{
		CreatedAt: n.Created.Format("2006-01-02 15:04:05.999999999 -0700 MST"), Driver: n.Driver(), ID: n.ID,
		IPv4: "true", IPv6: strconv.FormatBool(n.Subnet6.IsValid()), Internal: strconv.FormatBool(n.Internal),
		Labels: joinLabels(n.Labels), Name: n.Name, Scope: "local", labels: n.Labels,
	}
	if !whole {
		r.ID = n.ID[:12]
	}
	return r
}

// networkFilter chooses networks: of several filters with one name any is
// enough, except that all labels are needed.
type networkFilter map[string][]string

func parseNetworkFilter(words []string) (networkFilter, error) {
	f := networkFilter{}
	known := []string{"dangling", "driver", "id", "label", "name", "scope", "type"}
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if !slices.Contains(known, name) {
			return f, fmt.Errorf("unknown filter %q: there are %s", name, strings.Join(known, ", "))
		}
		if !found || value == "" {
			return f, fmt.Errorf("filter %q is not like %s=VALUE", word, name)
		}
		if name == "type" && value != "builtin" && value != "custom" {
			return f, fmt.Errorf("filter %q: the types are builtin and custom", word)
		}
		if name == "dangling" {
			yes, err := parseTruth(value)
			if err != nil {
				return f, fmt.Errorf("filter %q: %w", word, err)
			}
			value = strconv.FormatBool(yes)
		}
		f[name] = append(f[name], value)
	}
	return f, nil
}

func (f networkFilter) match(n network.Network, used bool) bool {
	if !matchLabels(n.Labels, f["label"], nil) {
		return false
	}
	kind := "custom"
	if network.BuiltIn(n.Name) {
		kind = "builtin"
	}
	dangling := strconv.FormatBool(kind == "custom" && !used)
	have := map[string]string{"dangling": dangling, "driver": n.Driver(), "scope": "local", "type": kind}
	for name, value := range have {
		if len(f[name]) > 0 && !slices.Contains(f[name], value) {
			return false
		}
	}
	contained := func(text string) func(string) bool {
		return func(word string) bool { return strings.Contains(text, word) }
	}
	begins := func(word string) bool { return strings.HasPrefix(n.ID, word) }
	return (len(f["name"]) == 0 || slices.ContainsFunc(f["name"], contained(n.Name))) &&
		(len(f["id"]) == 0 || slices.ContainsFunc(f["id"], begins))
}

type networkInspectCmd struct {
	Format   string   `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.Internal}}'."`
	Verbose  bool     `short:"v" help:"Accepted; everything is shown always."`
	Networks []string `arg:"" name:"network"`
}

func (c *networkInspectCmd) Run(a *app) error {
	return (&inspectCmd{inspectFlags: inspectFlags{Format: c.Format, Names: c.Networks}, Type: "network"}).Run(a)
}

// networkInspection is what inspect shows; the names are Docker's.
type networkInspection struct {
	Name       string
	ID         string `json:"Id"`
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       networkIPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom struct{ Network string }
	ConfigOnly bool
	Containers map[string]networkContainer // by id
	Options    map[string]string
	Labels     map[string]string
	Egress     *slirp.Egress `json:",omitempty"` // what containers may reach outside
}

type networkIPAM struct {
	Driver  string
	Options map[string]string
	Config  []networkSubnet
}

type networkSubnet struct {
	Subnet  string
	IPRange string `json:",omitempty"`
	Gateway string
}

type networkContainer struct {
	Name, EndpointID, MacAddress, IPv4Address, IPv6Address string
}

func inspectNetwork(s runner.Store, word string) (any, error) {
	store := network.Store{Data: s.Data}
	n, err := store.Find(word)
	if err != nil {
		return nil, err
	}
	users, err := networkUsers(s)
	if err != nil {
		return nil, err
	}
	if n.Name == slirp.DefaultNetwork {
		if n, err = defaultNetwork(store, users[n.Name]); err != nil {
			return nil, err
		}
	}
	i := networkInspection{
		Name: n.Name, ID: n.ID, Created: n.Created, Scope: "local", Driver: n.Driver(),
		EnableIPv4: true, EnableIPv6: n.Subnet6.IsValid(), IPAM: ipam(n), Internal: n.Internal,
		Containers: map[string]networkContainer{}, Options: map[string]string{}, Labels: map[string]string{},
		Egress: n.Egress,
	}
	maps.Copy(i.Options, n.Options)
	maps.Copy(i.Labels, n.Labels)
	for _, v := range users[n.Name] {
		i.Containers[v.ID] = placeOn(v, n)
	}
	return i, nil
}

// defaultNetwork is as its containers have it, or as the first would.
func defaultNetwork(store network.Store, users []runner.View) (network.Network, error) {
	for _, v := range users {
		for _, a := range docker.Attachments(v) {
			if a.NetworkID == "" {
				n := network.BuiltIns()[0]
				n.Gateway, n.MTU = a.Gateway, a.MTU
				var err error
				n.Subnet, err = a.Gateway.Prefix(a.PrefixLen)
				return n, err
			}
		}
	}
	return store.Default()
}

func ipam(n network.Network) networkIPAM {
	i := networkIPAM{Driver: "default", Options: map[string]string{}, Config: []networkSubnet{}}
	if n.Subnet.IsValid() {
		s := networkSubnet{Subnet: n.Subnet.String(), Gateway: n.Gateway.String()}
		if n.IPRange.IsValid() {
			s.IPRange = n.IPRange.String()
		}
		i.Config = append(i.Config, s)
	}
	if n.Subnet6.IsValid() {
		i.Config = append(i.Config, networkSubnet{Subnet: n.Subnet6.String(), Gateway: n.Gateway6.String()})
	}
	return i
}

// placeOn is what a container has of a network.
func placeOn(v runner.View, n network.Network) networkContainer {
	c := networkContainer{Name: v.Name}
	for _, a := range docker.Attachments(v) {
		if a.Network != n.Name {
			continue
		}
		c.EndpointID, c.MacAddress = docker.EndpointID(v.ID, a.NetworkID), a.MACAddress
		c.IPv4Address = fmt.Sprintf("%s/%d", a.IPAddress, a.PrefixLen)
		if a.IPv6Address.IsValid() {
			c.IPv6Address = fmt.Sprintf("%s/%d", a.IPv6Address, a.PrefixLen6)
		}
	}
	return c
}

type networkPruneCmd struct {
	Force  bool     `short:"f" help:"Do not ask."`
	Filter []string `sep:"none" placeholder:"KEY=VALUE" help:"Only networks with this: label, label!, until (made before that time)."`
}

func (c *networkPruneCmd) Run(a *app) error {
	filter, err := parsePruneFilter(c.Filter, time.Now())
	if err != nil {
		return usagef("%w", err)
	}
	if !c.Force && !a.confirm("This will remove all custom networks not used by at least one container.") {
		return nil
	}
	done, err := a.pruneNetworks(filter)
	if len(done.lines) > 0 {
		a.printf("%s\n%s\n", done.title, strings.Join(done.lines, "\n"))
	}
	return err
}

// pruneNetworks removes networks that no container is on, not even one that has
// ended and may be started again.
func (a *app) pruneNetworks(f pruneFilter) (pruned, error) {
	done := pruned{title: "Deleted Networks:"}
	store, err := a.store()
	if err != nil {
		return done, err
	}
	views, err := store.Glance(false)
	if err != nil {
		return done, err
	}
	used := map[string]bool{}
	for _, v := range views {
		for _, w := range v.Networks {
			used[w.Network] = true
		}
	}
	list, err := network.Store{Data: store.Data}.List()
	failed := []error{err}
	for _, n := range list {
		if used[n.Name] || !f.match(n.Labels, n.Created) {
			continue
		}
		switch _, err := store.RemoveNetwork(n.Name); {
		case errors.Is(err, network.ErrInUse), errors.Is(err, network.ErrNotFound): // meanwhile
		case err != nil:
			failed = append(failed, err)
		default:
			done.lines = append(done.lines, n.Name)
		}
	}
	failed = append(failed, store.Sweep(context.Background()))
	return done, errors.Join(failed...)
}
