package integration

import (
	"net"
	"strings"
	"testing"
)

func TestNetworkRunFlags(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		one := e.network(t, "--subnet", "10.84.0.0/24", "--subnet", "fd84::/64")
		two := e.network(t, "--internal")
		name := e.sleeper(t, "--network", one, "--ip", "10.84.0.40", "--ip6", "fd84::40", "--mac-address", "02:42:00:00:00:40", "--network-alias", "a", "--network-alias", "b")
		e.Want(t, "10.84.0.40 24 10.84.0.1 fd84::40 64 fd84::1 02:42:00:00:00:40 [a b] 10.84.0.40 fd84::40", "inspect", "-f",
			`{{with index .NetworkSettings.Networks "`+one+`"}}{{.IPAddress}} {{.IPPrefixLen}} {{.Gateway}} {{.GlobalIPv6Address}} {{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}} {{.MacAddress}} {{.Aliases}} {{.IPAMConfig.IPv4Address}} {{.IPAMConfig.IPv6Address}}{{end}}`, name)
		e.Want(t, one, "inspect", "-f", "{{.HostConfig.NetworkMode}}", name)
		e.Want(t, "10.84.0.40\n02:42:00:00:00:40", "exec", name, "sh", "-c", "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'; cat /sys/class/net/eth0/address")
		both := e.sleeper(t, "--network", "name="+one+",alias=long,ip=10.84.0.41", "--network", two)
		e.Want(t, "10.84.0.41", "inspect", "-f", `{{(index .NetworkSettings.Networks "`+one+`").IPAddress}}`, both)
		e.Want(t, "eth0 eth1 lo", "exec", both, "sh", "-c", "echo $(ls /sys/class/net)")
		if !e.reaches(name, "long") || !e.reaches(both, "b") {
			t.Error("aliases do not resolve")
		}
		commas := e.sleeper(t, "--network", two+","+one)
		e.Want(t, two+","+one, "ps", "-f", "name="+commas, "--format", "{{.Networks}}")
		// The way out leads over the network that has one, though it is not the first.
		e.Want(t, "eth1", "exec", commas, "sh", "-c", "ip route | sed -n 's/^default.* dev \\([^ ]*\\).*/\\1/p'")
		e.Want(t, "eth0 lo", "run", "--rm", "--net", "default", "--mac-address", "02:42:00:00:00:41", Image, "sh", "-c", "echo $(ls /sys/class/net)")
	})
}

func TestNetworkRunRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n, six := e.network(t, "--subnet", "10.85.0.0/24"), e.network(t, "--subnet", "10.86.0.0/24", "--subnet", "fd86::/64")
		holder := e.sleeper(t, "--network", n, "--ip", "10.85.0.9")
		before := e.OK(t, "ps", "-aq")
		for _, bad := range []struct{ flags, says string }{
			{"--network nonsense", "network create nonsense"}, {"--network " + n + ",nonsense", "nonsense"}, {"--network " + n + "," + n, "twice"},
			{"--network " + n + " --network host", "cannot go with"}, {"--network none --network " + n, "cannot go with"}, {"--network name=", "KEY=VALUE"},
			{"--network " + n + " --ip 10.85.0.9", holder}, {"--network " + n + " --ip 10.85.0.1", "gateway"}, {"--network " + n + " --ip 10.85.0.255", "broadcast"},
			{"--network " + n + " --ip 10.87.0.9", "outside"}, {"--network " + n + " --ip nonsense", "IPv4"}, {"--network " + n + " --ip6 fd86::9", "no IPv6"},
			{"--network " + six + " --ip6 fd87::9", "outside"}, {"--network " + six + " --ip6 fd86::1", "gateway"}, {"--network " + six + " --ip6 10.86.0.9", "IPv6"},
			{"--network " + n + "," + six + " --ip 10.85.0.10", "one network"}, {"--ip 10.88.0.200", "user-defined"}, {"--network-alias x", "user-defined"},
			{"--network host --ip 10.85.0.9", "--network host"}, {"--network none --mac-address 02:42:00:00:00:01", "--network none"},
			{"--network " + n + " --mac-address nonsense", "MAC"}, {"--network " + n + " --mac-address 01:00:5e:00:00:01", "even"},
			{"--network " + n + " --network-alias a/b", "alias"}, {"--network " + n + " --link nonsense", "nonsense"}, {"--link " + holder + ":x", "default network"},
			{"--network name=" + n + ",gw-priority=1", "gw-priority"},
		} {
			r := e.Run(t, append(append([]string{"run"}, strings.Fields(bad.flags)...), Image, "true")...).Exits(t, 125).Says(t, bad.says)
			if lines := strings.Count(strings.TrimSpace(r.Err), "\n"); lines > 1 {
				t.Errorf("%s: %d lines: %s", bad.flags, lines, r.Err)
			}
		}
		// A container that could not be started is there, as with Docker.
		for _, id := range strings.Fields(e.OK(t, "ps", "-aq")) {
			if !strings.Contains(before, id) {
				e.OK(t, "rm", id)
			}
		}
		e.OK(t, "exec", holder, "true")
	})
}

// On the default network Docker's containers find each other by --link alone.
func TestNetworkLink(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		db := e.sleeper(t)
		ip := e.OK(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", db)
		if net.ParseIP(ip) == nil {
			t.Fatalf("address %q", ip)
		}
		linked, alone := e.sleeper(t, "--link", db+":store"), e.sleeper(t)
		if !e.reaches(linked, "store") || !e.reaches(linked, db) || e.reaches(alone, "store") || e.reaches(alone, db) {
			t.Errorf("/etc/hosts: %s", e.OK(t, "exec", linked, "cat", "/etc/hosts"))
		}
		n := e.network(t)
		a := e.sleeper(t, "--network", n)
		b, c := e.sleeper(t, "--network", n, "--link", a+":private"), e.sleeper(t, "--network", n)
		if !e.reaches(b, "private") || e.reaches(c, "private") {
			t.Error("a link is not a name of its own")
		}
		e.OK(t, "rename", a, a+"x")
		if !e.reaches(b, "private") || !e.reaches(c, a+"x") || e.reaches(c, a) {
			t.Error("after renaming names are others")
		}
		e.OK(t, "rename", a+"x", a)
	})
}

func TestNetworkEvents(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "network", "create", "front")
	e.OK(t, "run", "-d", "--init", "--name", "web", "--network", "front", Image, "sleep", "1000")
	e.OK(t, "network", "connect", "bridge", "web")
	e.OK(t, "network", "disconnect", "bridge", "web")
	e.OK(t, "rm", "-f", "web")
	e.OK(t, "network", "rm", "front")
	got := e.OK(t, "events", "--since", "1h", "--until", "0s", "-f", "type=network", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
	if want := "create front\nconnect front\nconnect bridge\ndisconnect bridge\ndisconnect front\ndestroy front"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
