package network

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParseWishes(t *testing.T) {
	for _, tt := range []struct {
		words []string
		mode  string
		want  []Wish
	}{
		{nil, "bridge", []Wish{{Network: "bridge"}}},
		{[]string{"default"}, "bridge", []Wish{{Network: "bridge"}}},
		{[]string{"none"}, "none", nil},
		{[]string{"host"}, "host", nil},
		{[]string{"container:a,b"}, "container:a,b", nil},
		{[]string{"front,back"}, "front", []Wish{{Network: "front"}, {Network: "back"}}},
		{[]string{"front", "bridge"}, "front", []Wish{{Network: "front"}, {Network: "bridge"}}},
		{
			[]string{"name=front,alias=web,alias=www,ip=10.1.2.3,ip6=fd00::3,mac-address=02:42:0a:01:02:03", "back"}, "front",
			[]Wish{{Network: "front", Aliases: []string{"web", "www"}, IP: netip.MustParseAddr("10.1.2.3"), IP6: netip.MustParseAddr("fd00::3"), MAC: "02:42:0a:01:02:03"}, {Network: "back"}},
		},
	} {
		mode, got, err := ParseWishes(tt.words)
		if err != nil || mode != tt.mode || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %q, %+v, %v", tt.words, mode, got, err)
		}
	}
}

func TestParseWishesRefuses(t *testing.T) {
	for _, tt := range []struct{ words, says string }{
		{"none front", "cannot go with"}, {"front host", "cannot go with"}, {"front,container:x", "cannot go with"}, {"front front", "twice"}, {"a,,b", "missing"},
		{"alias=x", "name=NETWORK"}, {"name=front,ip=nonsense", "IPv4"}, {"name=front,ip=fd00::1", "IPv4"}, {"name=front,ip6=10.0.0.1", "IPv6"},
		{"name=front,mac-address=01:00:5e:00:00:01", "even"}, {"name=front,alias=", "KEY=VALUE"}, {"name=front,gw-priority=1", "gw-priority"},
		{"name=front,driver-opt=a", "driver-opt"}, {"name=front,nonsense=1", "nonsense"}, {"name=bridge,ip=10.88.0.9", "user-defined"},
		{"name=none,mac-address=02:42:0a:01:02:03", "none"}, {"name=front,back", "KEY=VALUE"},
	} {
		if _, _, err := ParseWishes(strings.Fields(tt.words)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v", tt.words, err)
		}
	}
}

func TestPersonal(t *testing.T) {
	wishes := []Wish{{Network: "front"}, {Network: "back"}}
	if err := (Personal{Aliases: []string{"web"}, Links: []string{"db:store", "cache"}}).Apply("front", wishes); err != nil {
		t.Fatal(err)
	}
	for _, w := range wishes {
		if w.Aliases[0] != "web" || !reflect.DeepEqual(w.Links, map[string]string{"store": "db", "cache": "cache"}) {
			t.Errorf("%+v", w)
		}
	}
	for _, tt := range []struct {
		own    Personal
		wishes []Wish
		says   string
	}{
		{Personal{IP: "10.0.0.9"}, wishes, "one network"},
		{Personal{IP: "10.0.0.9"}, nil, "none with"},
		{Personal{IP: "10.0.0.9"}, []Wish{{Network: "bridge"}}, "user-defined"},
		{Personal{Aliases: []string{"x"}}, []Wish{{Network: "bridge"}}, "user-defined"},
		{Personal{Aliases: []string{"a b"}}, []Wish{{Network: "front"}}, "alias"},
		{Personal{IP6: "10.0.0.9"}, []Wish{{Network: "front"}}, "--ip6"},
		{Personal{MAC: "nonsense"}, []Wish{{Network: "bridge"}}, "MAC"},
		{Personal{Links: []string{":x"}}, []Wish{{Network: "front"}}, "--link"},
	} {
		if err := tt.own.Apply("none", tt.wishes); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.own, err)
		}
	}
}

func FuzzParseWishes(f *testing.F) {
	f.Add("front,back")
	f.Add("name=front,alias=web,ip=10.1.2.3")
	f.Add("container:x")
	f.Fuzz(func(t *testing.T, word string) {
		mode, wishes, err := ParseWishes([]string{word})
		if err == nil && mode == "" {
			t.Errorf("%q has no mode", word)
		}
		for _, w := range wishes {
			if w.Network == "" || exclusive(w.Network) {
				t.Errorf("%q: %+v", word, w)
			}
		}
	})
}
