package integration

import (
	"slices"
	"strings"
	"testing"
)

func TestNetworkLs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		label := e.Name(t)
		used := e.network(t, "--label", "test="+label, "--label", "kind=used")
		idle := e.network(t, "--label", "test="+label, "--internal", "--ipv6")
		e.sleeper(t, "--network", used)
		id := e.OK(t, "network", "inspect", "-f", "{{.Id}}", used)
		ls := func(filters ...string) string {
			args := []string{"network", "ls", "--format", "{{.Name}}", "-f", "label=test=" + label}
			for _, f := range filters {
				args = append(args, "-f", f)
			}
			list := strings.Fields(e.OK(t, args...))
			slices.Sort(list)
			return strings.Join(list, " ")
		}
		both := []string{used, idle}
		slices.Sort(both)
		all := strings.Join(both, " ")
		for filter, want := range map[string]string{
			"label=kind": used, "label=kind=idle": "", "name=" + idle: idle, "id=" + id[:12]: used, "driver=bridge": all, "driver=host": "",
			"type=custom": all, "type=builtin": "", "scope=local": all, "scope=swarm": "", "dangling=true": idle, "dangling=false": used,
		} {
			if got := ls(filter); got != want {
				t.Errorf("%s: %q, want %q", filter, got, want)
			}
		}
		if got := ls("name="+used, "name="+idle); got != all {
			t.Errorf("either name: %q", got)
		}
		table := e.OK(t, "network", "ls")
		if head, _, _ := strings.Cut(table, "\n"); strings.Join(strings.Fields(head), " ") != "NETWORK ID NAME DRIVER SCOPE" {
			t.Errorf("columns %q", head)
		}
		for _, line := range []string{"bridge bridge local", "host host local", "none null local", id[:12] + " " + used + " bridge local"} {
			if !strings.Contains(strings.Join(strings.Fields(table), " "), line) {
				t.Errorf("no %q in\n%s", line, table)
			}
		}
		e.Want(t, id, "network", "ls", "-q", "--no-trunc", "-f", "name="+used)
		e.Want(t, id[:12]+" true true false "+label, "network", "ls", "-f", "name="+idle, "-f", "name="+used, "-f", "label=kind", "--format",
			`{{.ID}} {{.IPv4}} {{if eq .Internal "false"}}true{{end}} {{.IPv6}} {{.Label "test"}}`)
		e.Want(t, idle+" true true", "network", "ls", "-f", "name="+idle, "--format", "{{.Name}} {{.Internal}} {{.IPv6}}")
		for _, bad := range []string{"nonsense=1", "name", "type=other", "dangling=perhaps"} {
			e.Run(t, "network", "ls", "-f", bad).Exits(t, 125).Says(t, "filter")
		}
	})
}
