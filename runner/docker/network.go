package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

// NetworkSettings is what inspect shows of a container's network.
type NetworkSettings struct {
	Bridge                 string
	SandboxID              string
	SandboxKey             string // the network namespace as a path, "" while nothing runs
	Ports                  map[string][]PortBinding
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	SecondaryIPAddresses   []string
	SecondaryIPv6Addresses []string
	Endpoint
	Networks map[string]*EndpointSettings
}

// Endpoint is a container's place in a network. At the top of NetworkSettings
// it is that of the default network.
type Endpoint struct {
	EndpointID          string
	Gateway             string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	MacAddress          string
}

// EndpointSettings is a container's place in one of its networks.
type EndpointSettings struct {
	IPAMConfig *IPAMConfig
	Links      []string
	Aliases    []string
	DriverOpts map[string]string
	NetworkID  string
	DNSNames   []string
	Endpoint
}

// IPAMConfig is what a person chose of a container's addresses.
type IPAMConfig struct {
	IPv4Address string `json:",omitempty"`
	IPv6Address string `json:",omitempty"`
}

// mode is that of --network with the default filled in.
func mode(v runner.View) string {
	if v.Options.Network == "" || v.Options.Network == "default" {
		return slirp.DefaultNetwork
	}
	return v.Options.Network
}

// networks are the names of the container's networks; those that are none, such
// as host, too.
func networks(v runner.View) []string {
	if m := mode(v); m == "none" || m == "host" || strings.HasPrefix(m, "container:") {
		return []string{m}
	}
	var names []string
	for _, w := range v.Networks {
		names = append(names, w.Network)
	}
	return names
}

// Attachments are what the container has of networks now. A killed monitor
// leaves some behind that hold no longer.
func Attachments(v runner.View) []slirp.Attachment {
	if !runs(v) {
		return nil
	}
	return v.Attachments
}

// attachment is what the container has of the network with a name, nil for
// nothing.
func attachment(v runner.View, name string) *slirp.Attachment {
	list := Attachments(v)
	if i := slices.IndexFunc(list, func(a slirp.Attachment) bool { return a.Network == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

func networkSettings(v runner.View) NetworkSettings {
	s := NetworkSettings{Ports: map[string][]PortBinding{}, Networks: map[string]*EndpointSettings{}}
	for _, name := range networks(v) {
		s.Networks[name] = new(EndpointSettings)
	}
	for _, w := range v.Networks {
		s.Networks[w.Network] = settings(v, w)
	}
	if runs(v) {
		s.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", v.Init.PID)
	}
	if len(Attachments(v)) == 0 {
		return s
	}
	if own := s.Networks[slirp.DefaultNetwork]; own != nil {
		s.Endpoint = own.Endpoint
	}
	s.Ports = bindings(Published(v))
	for _, port := range unpublished(v) {
		s.Ports[port] = nil
	}
	return s
}

// settings are what the container asked of a network and what it has got.
func settings(v runner.View, w network.Wish) *EndpointSettings {
	s := &EndpointSettings{Aliases: w.Aliases}
	if w.IP.IsValid() || w.IP6.IsValid() {
		s.IPAMConfig = &IPAMConfig{IPv4Address: address(w.IP), IPv6Address: address(w.IP6)}
	}
	for alias, id := range w.Links {
		s.Links = append(s.Links, id[:12]+":"+alias)
	}
	slices.Sort(s.Links)
	if w.Network != slirp.DefaultNetwork {
		s.DNSNames = append(append([]string{v.Name}, w.Aliases...), shortID(v.ID))
		if name := v.Spec.Hostname; !slices.Contains(s.DNSNames, name) {
			s.DNSNames = append(s.DNSNames, name)
		}
	}
	s.MacAddress = w.MAC
	if a := attachment(v, w.Network); a != nil {
		s.NetworkID, s.Endpoint = a.NetworkID, endpoint(v.ID, *a)
	}
	if s.NetworkID == "" && w.Network == slirp.DefaultNetwork {
		s.NetworkID = network.BuiltIns()[0].ID
	}
	return s
}

func endpoint(container string, a slirp.Attachment) Endpoint {
	return Endpoint{
		EndpointID: EndpointID(container, a.NetworkID),
		Gateway:    address(a.Gateway), IPAddress: address(a.IPAddress), IPPrefixLen: a.PrefixLen, MacAddress: a.MACAddress,
		IPv6Gateway: address(a.Gateway6), GlobalIPv6Address: address(a.IPv6Address), GlobalIPv6PrefixLen: a.PrefixLen6,
	}
}

// EndpointID names a container's place in a network.
func EndpointID(container, network string) string {
	id := sha256.Sum256([]byte(container + " on " + network))
	return hex.EncodeToString(id[:])
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
