package integration

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEgressPolicy(t *testing.T) {
	address := hostAddress(t)
	port := listenOnHost(t, address, "outside")
	Each(t, func(t *testing.T, e *Env) {
		ask := []string{Image, "nc", "-w", "5", address, port}
		for _, allow := range []string{"allow=" + address, "allow=0.0.0.0/0:" + port, "allow=192.0.2.200,host.example.org"} {
			r := e.Cmd(append([]string{"run", "--rm", "--egress", allow}, ask...)...).Run(t)
			if passes := strings.TrimSpace(r.Out) == "outside"; passes != !strings.Contains(allow, "example") {
				t.Errorf("--egress %s: %s", allow, r)
			}
		}
		// Denials are events of the container.
		name := e.Name(t)
		r := e.Cmd(append([]string{"run", "--rm", "--name", name, "--egress", "deny"}, ask...)...).Run(t)
		if r.Code == 0 || r.Out != "" {
			t.Errorf("--egress deny: %s", r)
		}
		want := address + ":" + port + "/tcp"
		e.Until(t, want, "events", "--since", "10m", "--until", "0s", "--filter", "container="+name, "--filter", "event=egress_denied",
			"--format", "{{.Actor.Attributes.destination}}")
		// The policy does not touch who is on the same network.
		_, ip := e.serve(t, "neighbour", "--egress", "deny")
		e.Want(t, "neighbour", "run", "--rm", "--egress", "deny", Image, "nc", "-w", "10", ip, "80")
	})
}

func TestEgressOfANetwork(t *testing.T) {
	address := hostAddress(t)
	port, other := listenOnHost(t, address, "outside"), listenOnHost(t, address, "other")
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "network", "create", "--egress", "allow="+address+":"+port, name)
		t.Cleanup(func() { e.Run(t, "network", "rm", "-f", name) })
		e.Want(t, "outside", "run", "--rm", "--network", name, Image, "nc", "-w", "5", address, port)
		e.Run(t, "run", "--rm", "--network", name, Image, "nc", "-w", "5", address, other).Exits(t, 1)
		// A container's own policy adds to it.
		e.Run(t, "run", "--rm", "--network", name, "--egress", "deny", Image, "nc", "-w", "5", address, port).Exits(t, 1)
		e.Run(t, "run", "--rm", "--network", name, "--egress", "allow=0.0.0.0/0", Image, "nc", "-w", "5", address, other).Exits(t, 1)
	})
}

// At no moment after the network process was killed does a packet pass that was
// denied before.
func TestEgressWhenTheNetworkProcessIsKilled(t *testing.T) {
	address := hostAddress(t)
	open, shut := listenOnHost(t, address, "open"), listenOnHost(t, address, "shut")
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := e.Name(t)
	script := fmt.Sprintf("while :; do nc -w 1 %s %s; nc -w 1 %s %s; done", address, open, address, shut)
	e.OK(t, "run", "-d", "--name", name, "--egress", "allow="+net.JoinHostPort(address, open), Image, "sh", "-c", script)
	count := func() int { return strings.Count(e.OK(t, "logs", name), "open") }
	await := func(n int) {
		for end := time.Now().Add(patience); count() < n; {
			if time.Now().After(end) {
				t.Fatalf("what is allowed does not pass: %s", e.OK(t, "logs", name))
			}
		}
	}
	await(3)
	for range 2 {
		pid := e.networkProcess(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		WaitGone(t, pid)
		await(count() + 5)
	}
	if log := e.OK(t, "logs", name); strings.Contains(log, "shut") {
		t.Errorf("what is denied passed: %s", log)
	}
}

func TestEgressBadInput(t *testing.T) {
	e := AsUser(t)
	for _, policy := range []string{"", "allow=", "allow=a b", "allow=10.0.0.0/99", "allow=a:70000", "allow=[::1]:80", "block=a"} {
		e.Run(t, "run", "--rm", "--egress="+policy, Image, "true").Exits(t, 125).Says(t, "--egress")
		e.Run(t, "network", "create", "--egress="+policy, "never").Exits(t, 125).Says(t, "--egress")
	}
	for _, mode := range []string{"host", "none"} {
		e.Run(t, "run", "--rm", "--network", mode, "--egress", "deny", Image, "true").Exits(t, 125).Says(t, "--egress", mode)
	}
}

// Each uplink carries a container that chooses it, with the largest packets. The
// container speaks first: pasta before 20240320 loses, doubles or holds back what
// a server sends before the client's side of the handshake has come.
func TestNetworkUplinkOfChoice(t *testing.T) {
	address := hostAddress(t)
	port := answerOnHost(t, address, "outside")
	Need(t, Program("pasta", "passt"), Program("slirp4netns", "slirp4netns"))
	Each(t, func(t *testing.T, e *Env) {
		greeter := e.helper(t, "greeter")
		for _, uplink := range []string{"pasta", "slirp4netns", "gvisor"} {
			e.Want(t, "65520\noutside", "run", "--rm", "--network", uplink, "-v", greeter+":/greeter:ro", Image, "sh", "-c",
				"cat /sys/class/net/eth0/mtu; /greeter ask "+net.JoinHostPort(address, port))
			name, _ := e.serve(t, "in", "-p", "80", "--network", uplink)
			if got, err := hear(net.JoinHostPort(address, e.hostPort(t, name))); got != "in" {
				t.Errorf("%s: the published port says %q, %v", uplink, got, err)
			}
			e.Want(t, uplink, "inspect", "-f", "{{.HostConfig.NetworkMode}}", name)
			e.OK(t, "rm", "-f", name)
		}
		e.Run(t, "run", "--rm", "--network", "pasta,bridge", Image, "true").Exits(t, 125).Says(t, "pasta")
	})
}
