package spec

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseExtraHost(t *testing.T) {
	for _, test := range []struct{ word, name, ip, bad string }{
		{word: "db:10.0.0.2", name: "db", ip: "10.0.0.2"},
		{word: "db=10.0.0.2", name: "db", ip: "10.0.0.2"},
		{word: "db:::1", name: "db", ip: "::1"},
		{word: "db:[2001:db8::1]", name: "db", ip: "2001:db8::1"},
		{word: "db=2001:db8::1", name: "db", ip: "2001:db8::1"},
		{word: "db:host-gateway", name: "db", ip: "invalid IP"},
		{word: "db", bad: "NAME:IP"},
		{word: ":10.0.0.2", bad: "NAME:IP"},
		{word: "a b:10.0.0.2", bad: "NAME:IP"},
		{word: "db:", bad: "not an IP address"},
		{word: "db:10.0.0", bad: "not an IP address"},
		{word: "db:[::1", bad: "not closed"},
	} {
		h, err := ParseExtraHost(test.word)
		if test.bad != "" {
			checkError(t, test.word, err, test.bad)
			continue
		}
		if err != nil || h.Name != test.name || h.IP.String() != test.ip {
			t.Errorf("%s: %+v, %v", test.word, h, err)
		}
	}
}

func TestParseExposed(t *testing.T) {
	got, err := ParseExposed([]string{"80", "53/udp", "8000-8002/TCP", "9/sctp"})
	want := []string{"80/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp", "9/sctp"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "0", "65536", "http", "80:80", "9-8", "80/icmp", "-1", "1-"} {
		_, err := ParseExposed([]string{bad})
		checkError(t, bad, err, "--expose")
	}
}

func TestNamesAndTimes(t *testing.T) {
	_, facts := mustBuild(t, Options{
		AddHosts: []string{"db:10.0.0.2"}, DNS: []string{"192.0.2.1", "2001:db8::1"}, DNSOptions: []string{"ndots:2"},
		DNSSearch: []string{"example.org"}, Timeout: 7,
	})
	if len(facts.Hosts) != 1 || facts.Hosts[0] != (ExtraHost{"db", netip.MustParseAddr("10.0.0.2")}) || facts.Timeout != 7 {
		t.Errorf("%+v", facts)
	}
	if r := facts.Resolver; len(r.Servers) != 2 || r.Servers[1].String() != "2001:db8::1" || r.Options[0] != "ndots:2" || r.Search[0] != "example.org" {
		t.Errorf("%+v", r)
	}
	for _, test := range []struct {
		opts Options
		bad  string
	}{
		{Options{DNS: []string{"dns.example.org"}}, "--dns"},
		{Options{DNSOptions: []string{"ndots:2 rotate"}}, "--dns-option"},
		{Options{DNSSearch: []string{"a\nnameserver 192.0.2.9"}}, "--dns-search"},
		{Options{Timeout: -1}, "--timeout"},
		{Options{Network: "container:abc", AddHosts: []string{"a:1.2.3.4"}}, "--add-host cannot go with --network container:NAME"},
		{Options{Network: "container:abc", DNS: []string{"1.2.3.4"}}, "--dns cannot"},
		{Options{Network: "container:abc", Expose: []string{"80"}}, "--expose cannot"},
		{Options{Network: "container:abc", PublishAll: true}, "--publish-all cannot"},
	} {
		_, err := Build(test.opts, shellImage(), testHost())
		checkError(t, test.opts, err, test.bad)
	}
}

func FuzzParseExtraHost(f *testing.F) {
	for _, s := range []string{"a:1.2.3.4", "a=::1", "a:[::1]", "a:host-gateway", "::", "=[", "a:[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseExtraHost(s)
		if err == nil && (h.Name == "" || strings.ContainsAny(h.Name, " \t\n#")) {
			t.Errorf("%q gives the name %q", s, h.Name)
		}
	})
}

func FuzzParseExposed(f *testing.F) {
	for _, s := range []string{"80", "1-65535/udp", "80/", "/tcp", "1-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ports, err := ParseExposed([]string{s})
		if err == nil && (len(ports) == 0 || len(ports) > 65535) {
			t.Errorf("%q gives %d ports", s, len(ports))
		}
	})
}

func TestParseRootfs(t *testing.T) {
	for _, test := range []struct {
		word, folder string
		overlay      bool
		bad          string
	}{
		{word: "/a", folder: "/a"},
		{word: "/a/:O", folder: "/a", overlay: true},
		{word: "a:b:O", folder: "/here/a:b", overlay: true},
		{word: "./a", folder: "/here/a"},
		{word: "/a:rw", bad: "only O"},
		{word: ":O", bad: "FOLDER"},
		{word: "", bad: "FOLDER"},
	} {
		folder, overlay, err := ParseRootfs(test.word, "/here")
		if test.bad != "" {
			checkError(t, test.word, err, test.bad)
		} else if err != nil || folder != test.folder || overlay != test.overlay {
			t.Errorf("%q: %q %v %v", test.word, folder, overlay, err)
		}
	}
}
