package integration

import "testing"

func TestNetworkRm(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b := e.network(t), e.network(t)
		id := e.OK(t, "network", "inspect", "-f", "{{.Id}}", b)
		e.Want(t, a+"\n"+b, "network", "rm", a, id[:12])
		e.Run(t, "network", "rm", a).Exits(t, 1).Says(t, "no such network", a)
		e.OK(t, "network", "rm", "-f", a)
		e.Run(t, "network", "rm", "bridge", "none").Exits(t, 1).Says(t, "bridge", "none", "always there")
		e.Run(t, "network", "inspect", a).Exits(t, 1).Says(t, "no such network")
	})
}

// A network stays as long as a container runs on it, also with -f.
func TestNetworkRmInUse(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		net := e.network(t)
		name := e.sleeper(t, "--network", net)
		for _, args := range [][]string{{"network", "rm", net}, {"network", "rm", "-f", net}} {
			e.Run(t, args...).Exits(t, 1).Says(t, "active endpoints", net, name)
		}
		e.OK(t, "exec", name, "ip", "addr", "show", "dev", "eth0")
		e.OK(t, "stop", "-t", "0", name)
		e.Want(t, net, "network", "rm", net) // as Docker has it
		e.Run(t, "start", name).Exits(t, 1).Says(t, net, "removed")
		e.OK(t, "network", "create", net)
		e.OK(t, "start", name)
		e.OK(t, "exec", name, "ip", "addr", "show", "dev", "eth0")
	})
}
