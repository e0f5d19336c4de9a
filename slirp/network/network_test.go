package network

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rl-project/rl/slirp"
)

func named(name string) Network { return Network{Network: slirp.Network{Name: name}} }

func nobody(Network) (string, error) { return "", nil }

func TestLifeOfARecord(t *testing.T) {
	s := Store{t.TempDir()}
	want := named("front")
	want.Subnet, want.Labels = netip.MustParsePrefix("10.200.0.0/24"), map[string]string{"a": "b"}
	made, err := s.Create(want, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"front", made.ID, made.ID[:5]} {
		got, err := s.Find(word)
		if err != nil || got.ID != made.ID || got.Gateway.String() != "10.200.0.1" || got.Subnet6.Bits() != 64 || got.Labels["a"] != "b" {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	if _, err := s.Create(named("front"), false); !errors.Is(err, ErrExists) {
		t.Errorf("once more: %v", err)
	}
	if _, err := s.Remove("front", func(Network) (string, error) { return "web", nil }); !errors.Is(err, ErrInUse) {
		t.Errorf("removed while used: %v", err)
	}
	if name, err := s.Remove(made.ID[:6], nobody); err != nil || name != "front" {
		t.Errorf("removed %q, %v", name, err)
	}
	if _, err := s.Find("front"); !errors.Is(err, ErrNotFound) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestBuiltInsStay(t *testing.T) {
	s := Store{t.TempDir()}
	for _, n := range BuiltIns() {
		if found, err := s.Find(n.ID[:12]); err != nil || found.Name != n.Name {
			t.Errorf("%s: %v, %v", n.Name, found.Name, err)
		}
		if _, err := s.Remove(n.Name, nobody); !errors.Is(err, ErrBuiltIn) {
			t.Errorf("%s is removed: %v", n.Name, err)
		}
		if _, err := s.Create(named(n.Name), false); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s is made: %v", n.Name, err)
		}
	}
}

// Reading a broken record fails for that one only, and says which file it is.
func TestBrokenRecord(t *testing.T) {
	s := Store{t.TempDir()}
	if _, err := s.Create(named("good"), false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if len(list) != 1 || err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("%v, %v", list, err)
	}
}

func TestSubnetsOfManyAtOnce(t *testing.T) {
	s := Store{t.TempDir()}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := s.Create(named("n"+string(rune('a'+i))), true); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	subnets := s.Subnets()
	for i, p := range subnets {
		if slices.ContainsFunc(subnets[:i], p.Overlaps) {
			t.Errorf("%s is there twice", p)
		}
	}
	if len(subnets) != 20 {
		t.Errorf("%d networks", len(subnets))
	}
}

func TestCheckAddress(t *testing.T) {
	n := named("front")
	n.Subnet, n.Gateway = netip.MustParsePrefix("10.200.0.0/24"), netip.MustParseAddr("10.200.0.1")
	for ip, good := range map[string]bool{
		"10.200.0.2": true, "10.200.0.254": true, "10.200.0.0": false, "10.200.0.1": false, "10.200.0.255": false, "10.201.0.2": false, "fd00::2": false,
	} {
		if err := n.CheckAddress(netip.MustParseAddr(ip)); (err == nil) != good {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "front_1.x-y": true, strings.Repeat("a", 200): true, "": false, "-a": false, ".a": false, "a b": false, "a/b": false,
		"a,b": false, "a=b": false, strings.Repeat("a", 201): false, "none": false, "default": false, "gvisor": false,
	} {
		if err := checkName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}
