package slirp

import (
	"net/netip"
	"strings"
	"testing"
)

const resolvConf = `# made by somebody
domain example.net
nameserver 127.0.0.53
nameserver not-an-address
  nameserver fe80::1%eth0
options edns0 trust-ad
options ndots:2
search example.org corp.example.org
; nameserver 192.0.2.1
nameserver
`

func TestResolvConfForContainer(t *testing.T) {
	host := ParseResolvConf([]byte(resolvConf))
	if len(host.Nameservers) != 2 || host.Nameservers[0].String() != "127.0.0.53" || host.Nameservers[1].Zone() != "eth0" {
		t.Errorf("name servers are %v", host.Nameservers)
	}
	want := "search example.org corp.example.org\nnameserver 10.88.0.1\noptions edns0 trust-ad ndots:2\n"
	if got := string(host.For(netip.MustParseAddr("10.88.0.1")).Bytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add([]byte(resolvConf))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := ParseResolvConf(text)
		again := ParseResolvConf(c.Bytes())
		if len(again.Nameservers) != len(c.Nameservers) || len(again.Search) != len(c.Search) {
			t.Errorf("%+v became %+v", c, again)
		}
	})
}

func TestHosts(t *testing.T) {
	own, host := netip.MustParseAddr("10.88.0.2"), netip.MustParseAddr("192.0.2.10")
	extra := []HostEntry{{netip.MustParseAddr("198.51.100.1"), []string{"db"}}}
	got := string(Hosts([]HostEntry{{own, []string{"web.example.org", "web"}}}, host, extra))
	for _, line := range []string{
		"127.0.0.1\tlocalhost\n",
		"::1\tlocalhost ip6-localhost ip6-loopback\n",
		"198.51.100.1\tdb\n",
		"192.0.2.10\thost.docker.internal host.containers.internal\n",
		"10.88.0.2\tweb.example.org web\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q lacks %q", got, line)
		}
	}
	if alone := string(Hosts([]HostEntry{{Names: []string{"web"}}}, netip.Addr{}, nil)); strings.Contains(alone, "web") || strings.Contains(alone, "internal") {
		t.Errorf("without a network: %q", alone)
	}
}
