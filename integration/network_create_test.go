package integration

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// network makes a network that goes with the test, and returns its name.
func (e *Env) network(t *testing.T, flags ...string) string {
	t.Helper()
	name := e.Name(t)
	e.OK(t, slices.Concat([]string{"network", "create"}, flags, []string{name})...)
	t.Cleanup(func() { e.Cmd("network", "rm", "-f", name).Do() })
	return name
}

// exitCode runs rl for its exit code; -1 stands for one that did not come.
func (e *Env) exitCode(args ...string) int {
	r, err := e.Cmd(args...).Do()
	if err != nil {
		return -1
	}
	return r.Code
}

// sleeper starts a container with flags that does nothing, and returns its name.
func (e *Env) sleeper(t *testing.T, flags ...string) string {
	t.Helper()
	name := e.Name(t)
	e.OK(t, slices.Concat([]string{"run", "-d", "--init", "--name", name}, flags, []string{Image, "sleep", "1000"})...)
	t.Cleanup(func() { e.Cmd("rm", "-f", name).Do() })
	return name
}

func TestNetworkCreate(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "network", "create", "--label", "test="+name, "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.254",
			"--ip-range", "10.77.0.128/25", "--subnet", "fd77::/64", "--internal", "-o", "mtu=1400", name)
		t.Cleanup(func() { e.Cmd("network", "rm", "-f", name).Do() })
		if len(id) != 64 {
			t.Errorf("create prints %q", id)
		}
		for template, want := range map[string]string{
			"{{.Id}}": id, "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.EnableIPv6}}": name + " bridge local true true",
			"{{(index .IPAM.Config 0).Subnet}} {{(index .IPAM.Config 0).IPRange}} {{(index .IPAM.Config 0).Gateway}}": "10.77.0.0/24 10.77.0.128/25 10.77.0.254",
			"{{(index .IPAM.Config 1).Subnet}} {{(index .IPAM.Config 1).Gateway}}":                                    "fd77::/64 fd77::1",
			"{{.Labels.test}} {{.Options.mtu}} {{len .Containers}}":                                                   name + " 1400 0",
		} {
			e.Want(t, want, "network", "inspect", "-f", template, name)
		}
		e.Want(t, "10.77.0.128/24 fd77::80/64 1400", "run", "--rm", "--network", name, Image, "sh", "-c",
			`echo $(ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s, .*,,') $(ip -6 -o addr show dev eth0 scope global | sed 's,.* inet6 ,,; s, .*,,') $(cat /sys/class/net/eth0/mtu)`)
		e.Run(t, "network", "create", name).Exits(t, 125).Says(t, "already exists", name)
	})
}

// Subnets that are picked are the network's own.
func TestNetworkCreatePicksSubnets(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		names, all := make([]string, 4), sync.WaitGroup{}
		for i := range names {
			names[i] = e.Name(t)
			all.Go(func() { e.Cmd("network", "create", names[i]).Do() })
		}
		all.Wait()
		t.Cleanup(func() { e.Cmd(append([]string{"network", "rm", "-f"}, names...)...).Do() })
		subnets := strings.Fields(e.OK(t, append([]string{"network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}"}, names...)...))
		if slices.Sort(subnets); len(slices.Compact(subnets)) != len(names) {
			t.Errorf("four at once have the subnets %v", subnets)
		}
	})
}

// Of two that want one name one gets it.
func TestNetworkCreateTwiceAtOnce(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		var codes [4]int
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() { codes[i] = e.exitCode("network", "create", name) })
		}
		all.Wait()
		t.Cleanup(func() { e.Cmd("network", "rm", "-f", name).Do() })
		if slices.Sort(codes[:]); codes != [4]int{0, 125, 125, 125} {
			t.Errorf("exit codes %v", codes)
		}
	})
}

func TestNetworkCreateRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		taken := e.network(t, "--subnet", "10.78.0.0/24", "--subnet", "fd78::/64")
		before := e.OK(t, "network", "ls", "-q")
		for _, bad := range []struct {
			args string
			says string
		}{
			{"", "no name"}, {"a/b", "letters"}, {"-x", "-x"}, {"bridge", "belongs to rl"}, {"container", "belongs to rl"}, {"pasta", "belongs to rl"},
			{"-d macvlan x", "only root"}, {"-d ipvlan x", "only root"}, {"-d overlay x", "Kubernetes"}, {"-d weave x", "only bridge"}, {"-d host x", "--network host"},
			{"--subnet nonsense x", "10.9.8.0/24"}, {"--subnet 10.79.0.1/24 x", "it is 10.79.0.0/24"}, {"--subnet 10.79.0.0/31 x", "/30"},
			{"--subnet 10.78.0.128/25 x", "overlaps 10.78.0.0/24"}, {"--subnet 10.0.0.0/8 x", "overlaps"}, {"--subnet 10.88.3.0/24 x", "overlaps"},
			{"--subnet fd78::/48 x", "overlaps fd78::/64"}, {"--subnet fd00::/64 x", "overlaps fd00::/64"}, {"--subnet 127.1.0.0/16 x", "loopback"}, {"--subnet 224.0.0.0/8 x", "multicast"},
			{"--subnet 10.79.0.0/24 --subnet 10.80.0.0/24 x", "there is 10.79.0.0/24 already"}, {"--subnet fd79::/127 x", "/126"},
			{"--gateway 10.79.0.1 x", "need the --subnet"}, {"--ip-range 10.79.0.0/25 x", "need the --subnet"}, {"--gateway fd79::1 x", "--ipv6"},
			{"--subnet 10.79.0.0/24 --gateway 10.80.0.1 x", "outside the subnet"}, {"--subnet 10.79.0.0/24 --gateway 10.79.0.255 x", "broadcast"},
			{"--subnet 10.79.0.0/24 --gateway nonsense x", "not an IP address"}, {"--subnet 10.79.0.0/24 --ip-range 10.80.0.0/25 x", "outside the subnet"},
			{"--subnet 10.79.0.0/24 --ip-range 10.79.0.0/16 x", "outside the subnet"}, {"--subnet 10.79.0.0/24 --ip-range fd00::/64 x", "IPv4"},
			{"--label =x x", "label"}, {"-o mtu x", "KEY=VALUE"}, {"-o mtu=20 x", "68 to 65535"}, {"-o mtu=70000 x", "68 to 65535"},
			{"--ipv6 -o mtu=1000 x", "1280"}, {"-o com.docker.network.bridge.name=br7 x", "one option, mtu"}, {"x y", "y"},
		} {
			r := e.Run(t, append([]string{"network", "create"}, strings.Fields(bad.args)...)...).Exits(t, 125).Says(t, bad.says)
			if strings.Count(strings.TrimSpace(r.Err), "\n") > 1 {
				t.Errorf("%s: more than a line and where to look: %s", bad.args, r.Err)
			}
		}
		if after := e.OK(t, "network", "ls", "-q"); after != before {
			t.Errorf("networks before\n%s\nand after\n%s", before, after)
		}
		e.OK(t, "network", "inspect", taken)
	})
}

// A subnet is picked beside the host's routes, those of a VPN's own table too.
func TestNetworkCreateLeavesTheHostsRoutes(t *testing.T) {
	Need(t, Program("ip", "iproute2"))
	e := AsRoot(t)
	name := e.Name(t)
	script := "ip link set lo up && ip route add 10.104.0.0/14 dev lo && ip route add 10.108.0.0/14 dev lo table 77 && " + e.Prog + " network create " + name
	e.Tool("unshare", "-n", "sh", "-c", script).Run(t).OK(t)
	t.Cleanup(func() { e.Cmd("network", "rm", name).Do() })
	if got := e.OK(t, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name); !strings.HasPrefix(got, "10.112.") {
		t.Errorf("picked %s", got)
	}
}
