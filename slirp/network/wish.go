package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rl-project/rl/slirp"
)

// Wish is what a container wants of one network.
type Wish struct {
	Network string   // its name
	Aliases []string `json:",omitempty"`
	// Links are names that this container alone has for others: alias to name.
	Links map[string]string `json:",omitempty"`
	IP    netip.Addr        `json:",omitzero"`
	IP6   netip.Addr        `json:",omitzero"`
	MAC   string            `json:",omitempty"`
}

// ParseWishes reads the words of --network: each a mode (none, host,
// container:NAME), names of networks with commas between them, or Docker's long
// form name=NAME,alias=ALIAS,ip=ADDRESS. mode is the first name where there are
// networks, for which wishes are returned.
func ParseWishes(words []string) (mode string, wishes []Wish, err error) {
	for _, word := range words {
		more, err := parseWord(word)
		if err != nil {
			return "", nil, fmt.Errorf("--network %q: %w", word, err)
		}
		wishes = append(wishes, more...)
	}
	if len(wishes) == 0 {
		wishes = []Wish{{Network: slirp.DefaultNetwork}}
	}
	mode = wishes[0].Network
	for i, w := range wishes {
		if !exclusive(w.Network) && !slirp.IsUplink(w.Network) {
			if slices.ContainsFunc(wishes[:i], func(o Wish) bool { return o.Network == w.Network }) {
				return "", nil, fmt.Errorf("--network %s is given twice", w.Network)
			}
			continue
		}
		if len(wishes) > 1 {
			return "", nil, fmt.Errorf("--network %s cannot go with another network", w.Network)
		}
		if !slirp.IsUplink(w.Network) {
			return mode, nil, nil
		}
		// It is on the default network, by an uplink of its own choice.
		wishes[0].Network = slirp.DefaultNetwork
	}
	return mode, wishes, nil
}

// exclusive reports whether a word is a mode instead of a network.
func exclusive(word string) bool {
	return word == "none" || word == "host" || strings.HasPrefix(word, "container:")
}

func parseWord(word string) ([]Wish, error) {
	if strings.HasPrefix(word, "container:") {
		return []Wish{{Network: word}}, nil
	}
	if strings.Contains(word, "=") {
		w, err := parseLong(word)
		return []Wish{w}, err
	}
	var list []Wish
	for name := range strings.SplitSeq(word, ",") {
		if name == "" {
			return nil, fmt.Errorf("a name is missing")
		}
		if name == "default" {
			name = slirp.DefaultNetwork
		}
		list = append(list, Wish{Network: name})
	}
	return list, nil
}

func parseLong(word string) (w Wish, err error) {
	for field := range strings.SplitSeq(word, ",") {
		key, value, found := strings.Cut(field, "=")
		if !found || value == "" {
			return w, fmt.Errorf("%q is not like KEY=VALUE", field)
		}
		if err := w.set(key, value); err != nil {
			return w, err
		}
	}
	if w.Network == "" {
		return w, fmt.Errorf("name=NETWORK is missing")
	}
	return w, w.check()
}

func (w *Wish) set(key, value string) (err error) {
	switch key {
	case "name":
		if w.Network = value; value == "default" {
			w.Network = slirp.DefaultNetwork
		}
	case "alias":
		w.Aliases = append(w.Aliases, value)
	case "ip":
		w.IP, err = parseIP("ip", value)
	case "ip6":
		w.IP6, err = parseIP("ip6", value)
	case "mac-address":
		w.MAC = value
	case "gw-priority":
		err = fmt.Errorf("gw-priority is not needed: of several networks the first one named that has a way out is it")
	case "driver-opt", "link-local-ip":
		err = fmt.Errorf("%s: rl's bridges have no such option", key)
	default:
		err = fmt.Errorf("unknown key %q: there are name, alias, ip, ip6 and mac-address", key)
	}
	return err
}

// parseIP reads the value of --ip or --ip6; flag is its name without dashes.
func parseIP(flag, value string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(value)
	if err != nil || ip.Is6() != (flag == "ip6") || ip.Zone() != "" || ip.Is4In6() {
		kind := "IPv4"
		if flag == "ip6" {
			kind = "IPv6"
		}
		return netip.Addr{}, fmt.Errorf("%s %q is not an %s address", flag, value, kind)
	}
	return ip, nil
}

// check refuses what no network can give.
func (w Wish) check() error {
	if w.MAC != "" {
		if _, err := slirp.ParseMAC(w.MAC); err != nil {
			return err
		}
	}
	for _, alias := range w.Aliases {
		if err := checkAlias(alias); err != nil {
			return err
		}
	}
	for alias := range w.Links {
		if err := checkAlias(alias); err != nil {
			return err
		}
	}
	personal := w.IP.IsValid() || w.IP6.IsValid() || len(w.Aliases) > 0
	switch {
	case exclusive(w.Network) && (personal || w.MAC != "" || len(w.Links) > 0):
		return fmt.Errorf("addresses and aliases need a network of the container's own, which there is none with %s", w.Network)
	case w.Network == slirp.DefaultNetwork && personal:
		return fmt.Errorf("addresses and aliases can be chosen on user-defined networks only: make one with 'rl network create'")
	}
	return nil
}

func checkAlias(alias string) error {
	if alias == "" || len(alias) > 253 || strings.ContainsAny(alias, " \t\r\n\x00,=/#") {
		return fmt.Errorf("alias %q is no name of a machine", alias)
	}
	return nil
}

// Personal is what --ip, --ip6, --mac-address, --network-alias and --link say,
// as typed.
type Personal struct {
	IP, IP6, MAC   string
	Aliases, Links []string
}

func (p Personal) empty() bool {
	return p.IP+p.IP6+p.MAC == "" && len(p.Aliases)+len(p.Links) == 0
}

// Apply adds it to wishes, those of mode. Addresses need a single network.
func (p Personal) Apply(mode string, wishes []Wish) error {
	if p.empty() {
		return nil
	}
	if len(wishes) == 0 {
		return fmt.Errorf("--ip, --ip6, --mac-address, --network-alias and --link need a network of the container's own, which there is none with --network %s", mode)
	}
	if len(wishes) > 1 && p.IP+p.IP6+p.MAC != "" {
		return fmt.Errorf("--ip, --ip6 and --mac-address are for one network: with several write --network name=NAME,ip=ADDRESS for each")
	}
	for i := range wishes {
		if err := p.applyTo(&wishes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p Personal) applyTo(w *Wish) (err error) {
	if p.IP != "" {
		if w.IP, err = parseIP("ip", p.IP); err != nil {
			return fmt.Errorf("--%w", err)
		}
	}
	if p.IP6 != "" {
		if w.IP6, err = parseIP("ip6", p.IP6); err != nil {
			return fmt.Errorf("--%w", err)
		}
	}
	if p.MAC != "" {
		w.MAC = p.MAC
	}
	w.Aliases = append(w.Aliases, p.Aliases...)
	for _, link := range p.Links {
		name, alias, found := strings.Cut(link, ":")
		if !found {
			alias = name
		}
		if name == "" || alias == "" {
			return fmt.Errorf("--link %q: write CONTAINER or CONTAINER:ALIAS", link)
		}
		if w.Links == nil {
			w.Links = map[string]string{}
		}
		w.Links[alias] = name
	}
	return w.check()
}
