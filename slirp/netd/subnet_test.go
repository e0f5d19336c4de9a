package netd

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestPickSubnet(t *testing.T) {
	tests := []struct {
		taken []netip.Prefix
		want  string
	}{
		{nil, "10.88.0.0/16"},
		{prefixes("10.88.5.0/24"), "10.89.0.0/16"},
		{prefixes("10.88.0.53/32"), "10.89.0.0/16"}, // a resolver
		{prefixes("10.0.0.0/8"), "172.24.0.0/16"},
		{prefixes("10.0.0.0/8", "172.16.0.0/12"), "192.168.230.0/24"},
		{prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), ""},
		{prefixes("fd00::/8"), "10.88.0.0/16"},
	}
	for _, test := range tests {
		got, err := pickSubnet(network.DefaultSubnets(), test.taken)
		if (err != nil) != (test.want == "") || (err == nil && got.String() != test.want) {
			t.Errorf("with %v taken: %v, %v; want %s", test.taken, got, err, test.want)
		}
	}
}

func TestPool(t *testing.T) {
	p := newPool(netip.MustParsePrefix("192.0.2.0/29"), netip.MustParseAddr("192.0.2.1"), netip.Prefix{})
	for _, want := range []string{"192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"} {
		if got, err := p.take(netip.Addr{}, false); err != nil || got.String() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	}
	if ip, err := p.take(netip.Addr{}, false); !errors.Is(err, slirp.ErrAddress) {
		t.Errorf("a full pool gave %v, %v", ip, err)
	}
	p.free(netip.MustParseAddr("192.0.2.4"))
	if got, err := p.take(netip.Addr{}, false); err != nil || got.String() != "192.0.2.4" {
		t.Errorf("got %v, %v; want the lowest free one", got, err)
	}
}

func TestPoolRefusesAddresses(t *testing.T) {
	p := newPool(netip.MustParsePrefix("192.0.2.0/29"), netip.MustParseAddr("192.0.2.1"), netip.Prefix{})
	p.take(netip.MustParseAddr("192.0.2.3"), false)
	p.expect(netip.MustParseAddr("192.0.2.4"))
	for _, text := range []string{"192.0.2.0", "192.0.2.7", "192.0.2.1", "192.0.2.3", "192.0.2.4", "192.0.2.8", "::1"} {
		if _, err := p.take(netip.MustParseAddr(text), false); !errors.Is(err, slirp.ErrAddress) {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Only the container that had it gets an expected address.
	if _, err := p.take(netip.MustParseAddr("192.0.2.4"), true); err != nil {
		t.Error(err)
	}
}

func TestVethNameCarriesTheAddress(t *testing.T) {
	want := netip.MustParseAddr("10.88.255.254")
	name := vethName(want)
	if got, ok := addressIn(name); !ok || got != want || len(name) > 15 {
		t.Errorf("%s: %v, %v", name, got, ok)
	}
	for _, other := range []string{"", "v", "veth0", "lo", bridgeName, tapName, "v0a58", "vzzzzzzzz-0"} {
		if got, ok := addressIn(other); ok {
			t.Errorf("%q is taken for %v", other, got)
		}
	}
}

func TestHardwareAddress(t *testing.T) {
	ip := netip.MustParseAddr("10.88.0.2")
	if mac, err := hardwareAddress(""); err != nil || mac != nil {
		t.Errorf("none: %v, %v", mac, err)
	}
	if mac := macFor(ip); mac.String() != "02:42:0a:58:00:02" {
		t.Errorf("derived: %v", mac)
	}
	if mac, err := hardwareAddress("92:D0:C6:0A:29:33"); err != nil || mac.String() != "92:d0:c6:0a:29:33" {
		t.Errorf("wanted: %v, %v", mac, err)
	}
	for _, bad := range []string{"nonsense", "01:00:5e:00:00:01", "02:42:0a:58:00:02:00:00"} {
		if _, err := hardwareAddress(bad); !errors.Is(err, slirp.ErrAddress) {
			t.Errorf("%s: %v", bad, fmt.Sprint(err))
		}
	}
}

func TestSameHost(t *testing.T) {
	for _, test := range []struct{ subnet, ip, subnet6, want string }{
		{"10.104.0.0/24", "10.104.0.2", "fd00:1::/64", "fd00:1::2"},
		{"10.0.0.0/8", "10.1.2.3", "fd00:2::/64", "fd00:2::1:203"},
		{"192.168.7.128/25", "192.168.7.130", "2001:db8::/96", "2001:db8::2"},
	} {
		got := sameHost(netip.MustParsePrefix(test.subnet), netip.MustParseAddr(test.ip), netip.MustParsePrefix(test.subnet6))
		if got.String() != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestPoolOfARange(t *testing.T) {
	p := newPool(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix("192.0.2.128/31"))
	for _, want := range []string{"192.0.2.128", "192.0.2.129"} {
		if got, err := p.take(netip.Addr{}, false); err != nil || got.String() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	}
	if ip, err := p.take(netip.Addr{}, false); !errors.Is(err, slirp.ErrAddress) {
		t.Errorf("a full range gave %v, %v", ip, err)
	}
	if _, err := p.take(netip.MustParseAddr("192.0.2.9"), false); err != nil {
		t.Errorf("an address beside the range: %v", err)
	}
}
