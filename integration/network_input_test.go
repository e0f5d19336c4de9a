package integration

import (
	"slices"
	"strings"
	"testing"
)

// Whatever is wrong about networks is said in one line, and changes nothing.
func TestNetworkBadInput(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "run", "--rm", "--network", "none", Image, "true") // whatever the first run makes is there now
	for _, words := range []string{
		"network create --subnet 10.85.0.0/24 one", "network create --subnet 10.86.0.0/24 two",
		"create --name still --network one --ip 10.85.0.9 " + Image + " true", "create --name alone --network none " + Image + " true",
	} {
		e.OK(t, strings.Fields(words)...)
	}
	for _, bad := range []struct{ words, says string }{
		{"network create one", "one"}, {"network create --subnet 10.85.0.0/25 x", "overlaps"}, {"network create --subnet 10.87.0.0/33 x", "10.87.0.0/33"},
		{"network create --subnet 300.0.0.0/24 x", "300.0.0.0/24"}, {"network create -d macvlan x", "only root"}, {"network create -d ipvlan x", "only root"},
		{"network create -d overlay x", "overlay"}, {"network create --egress allow=a:70000 x", "--egress"}, {"network create --ipv6 --subnet fd00::/64 x", "overlaps"},
		{"network rm nonsense", "nonsense"}, {"network rm bridge", "bridge"}, {"network inspect nonsense", "nonsense"},
		{"network connect nonsense still", "nonsense"}, {"network connect two nonsense", "nonsense"}, {"network connect one still", "already"},
		{"network connect --ip 10.85.0.7 two still", "outside"}, {"network connect two alone", "none"}, {"network connect host still", "host"},
		{"network disconnect two still", "not on network"}, {"network disconnect nonsense still", "nonsense"},
		{"run --rm --network macvlan " + Image + " true", "only root"}, {"create --network ipvlan " + Image + " true", "--network host"},
		{"run --rm --network overlay " + Image + " true", "root on each"}, {"network connect macvlan still", "only root"},
		{"run --rm --network nonsense " + Image + " true", "nonsense"}, {"run --rm --network one --ip 10.87.0.9 " + Image + " true", "outside"},
		{"run --rm -p 70000:80 " + Image + " true", "70000"}, {"run --rm -p 80:0 " + Image + " true", "80:0"},
		{"run --rm --egress allow=10.0.0.0/99 " + Image + " true", "--egress"}, {"run --rm --dns nonsense " + Image + " true", "nonsense"},
		{"network prune --filter colour=blue -f", "colour"}, {"network ls --filter colour=blue", "colour"},
	} {
		before := e.tree(t)
		r := e.Run(t, strings.Fields(bad.words)...).Says(t, bad.says)
		if r.Code == 0 || lines(r.Err) == 0 || lines(r.Err) > 2 { // the message, and where to read on
			t.Errorf("%s: %s", bad.words, r)
		}
		if now := e.tree(t); !slices.Equal(before, now) {
			t.Errorf("%s changed on disk: %v", bad.words, difference(before, now))
		}
	}
}
