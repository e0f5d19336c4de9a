package integration

import (
	"net/netip"
	"strings"
	"testing"
)

// A container on a network with IPv6 has a default route for it, except where
// it is to reach nothing, and a published port is reached over it.
func TestNetworkIPv6(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n, inner := e.network(t, "--ipv6"), e.network(t, "--ipv6", "--internal")
		route := []string{Image, "sh", "-c", "ip -6 route show default | grep -c via; true"}
		for want, flags := range map[string][]string{
			"1": {"--network", n}, "0": {"--network", inner},
		} {
			e.Want(t, want, append(append([]string{"run", "--rm"}, flags...), route...)...)
		}
		e.Want(t, "0", append([]string{"run", "--rm", "--network", n, "--egress", "deny"}, route...)...)
		e.Want(t, "0", append([]string{"run", "--rm"}, route...)...)
		gateway := e.OK(t, "network", "inspect", "-f", "{{(index .IPAM.Config 1).Gateway}}", n)
		if ip, err := netip.ParseAddr(gateway); err != nil || !ip.Is6() {
			t.Errorf("the gateway is %q", gateway)
		}
		name, _ := e.serve(t, "six", "--network", n, "-p", "[::1]::80", "--ip6", strings.TrimSuffix(gateway, "1")+"77")
		e.Want(t, strings.TrimSuffix(gateway, "1")+"77", "inspect", "-f", `{{(index .NetworkSettings.Networks "`+n+`").GlobalIPv6Address}}`, name)
		if got, err := hear("[::1]:" + e.hostPort(t, name)); got != "six" {
			t.Errorf("over the host's loopback address: %q, %v", got, err)
		}
		e.Want(t, "six", "run", "--rm", "--network", n, Image, "nc", "-w", "10", strings.TrimSuffix(gateway, "1")+"77", "80")
	})
}
