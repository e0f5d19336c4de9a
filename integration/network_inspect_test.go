package integration

import (
	"strings"
	"testing"
)

// Who is on a network is seen there, with the address by which it is reached.
func TestNetworkInspect(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n := e.network(t, "--label", "k=v", "--subnet", "10.83.0.0/24")
		c := e.sleeper(t, "--network", n, "--ip", "10.83.0.9")
		id := e.OK(t, "inspect", "-f", "{{.Id}}", c)
		for template, want := range map[string]string{
			"{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}}":                                n + " bridge local false",
			"{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}":                         "10.83.0.0/24 10.83.0.1",
			"{{range $id, $c := .Containers}}{{$id}} {{$c.Name}} {{$c.IPv4Address}}{{end}}": id + " " + c + " 10.83.0.9/24",
			"{{len .Containers}} {{json .Labels}}":                                          `1 {"k":"v"}`,
		} {
			e.Want(t, want, "network", "inspect", "-f", template, n)
		}
		e.OK(t, "rm", "-f", c)
		e.Want(t, "0", "network", "inspect", "-f", "{{len .Containers}}", n)
	})
}

// Networks are called by name or a prefix of their id; what is found is shown
// although something else is not.
func TestNetworkInspectOfSeveral(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n := e.network(t)
		id := e.OK(t, "network", "inspect", "-f", "{{.Id}}", n)
		e.Want(t, "bridge\n"+n+"\nhost\nnone", "network", "inspect", "-f", "{{.Name}}", "bridge", id[:12], "host", "none")
		r := e.Run(t, "network", "inspect", "-f", "{{.Name}}", "no-such-one", n).Exits(t, 1).Says(t, "no such network: no-such-one")
		if r.Out != n+"\n" {
			t.Error(r)
		}
		if r := e.Run(t, "network", "inspect", "no-such-one").Exits(t, 1); strings.TrimSpace(r.Out) != "[]" {
			t.Error(r)
		}
		e.Run(t, "network", "inspect", "-f", "{{.Nonsense}}", n).Exits(t, 125).Says(t, "Nonsense")
	})
}
