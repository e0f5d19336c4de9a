package integration

import "testing"

func TestNetworkPrune(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		label := e.Name(t)
		used, stopped, idle := e.network(t, "--label", label), e.network(t, "--label", label), e.network(t, "--label", label)
		e.sleeper(t, "--network", used)
		e.OK(t, "create", "--name", e.Name(t), "--network", stopped, Image, "true")
		e.Run(t, "network", "prune", "--filter", "nonsense=1").Exits(t, 125).Says(t, "label")
		e.Want(t, "", "network", "prune", "-f", "--filter", "label="+label, "--filter", "until=1h")
		e.Run(t, "network", "prune", "--filter", "label="+label).Exits(t, 0).Says(t) // nobody says yes
		e.OK(t, "network", "inspect", idle)
		e.Want(t, "Deleted Networks:\n"+idle, "network", "prune", "-f", "--filter", "label="+label)
		e.OK(t, "network", "inspect", used, stopped)
		other := e.network(t, "--label", label)
		e.OK(t, "system", "prune", "-f", "--filter", "label="+label)
		e.Run(t, "network", "inspect", other).Exits(t, 1)
	})
}
