package docker

import (
	"fmt"
	"net/netip"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
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
	IPAMConfig *struct{}
	Links      []string
	Aliases    []string
	DriverOpts map[string]string
	NetworkID  string
	DNSNames   []string
	Endpoint
}

// network is the mode of --network with the default filled in.
func network(v runner.View) string {
	if v.Options.Network == "" || v.Options.Network == "default" {
		return slirp.DefaultNetwork
	}
	return v.Options.Network
}

// attachment is what the container has of a network now, nil for nothing. A
// killed monitor leaves one behind that holds no longer.
func attachment(v runner.View) *slirp.Attachment {
	if !runs(v) {
		return nil
	}
	return v.State.Network
}

func networkSettings(v runner.View) NetworkSettings {
	name := network(v)
	own := new(EndpointSettings)
	s := NetworkSettings{Ports: map[string][]PortBinding{}, Networks: map[string]*EndpointSettings{name: own}}
	if runs(v) {
		s.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", v.Init.PID)
	}
	a := attachment(v)
	if a == nil {
		return s
	}
	own.Endpoint = endpoint(a)
	if a.Network == slirp.DefaultNetwork {
		s.Endpoint = own.Endpoint
	}
	s.Ports = bindings(Published(v))
	for _, port := range unpublished(v) {
		s.Ports[port] = nil
	}
	return s
}

func endpoint(a *slirp.Attachment) Endpoint {
	return Endpoint{
		Gateway: address(a.Gateway), IPAddress: address(a.IPAddress), IPPrefixLen: a.PrefixLen, MacAddress: a.MACAddress,
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
