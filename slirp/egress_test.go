package slirp

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParseEgress(t *testing.T) {
	tests := []struct {
		in   []string
		want *Egress
	}{
		{nil, nil},
		{[]string{"deny"}, &Egress{}},
		{[]string{"allow=Deb.Example.org.:443,10.1.2.3/8"}, &Egress{[]EgressRule{
			{Host: "deb.example.org", Port: 443}, {Prefix: netip.MustParsePrefix("10.0.0.0/8")}}}},
		{[]string{"allow=*.example.org", "allow=192.0.2.1:53"}, &Egress{[]EgressRule{
			{Host: "*.example.org"}, {Prefix: netip.MustParsePrefix("192.0.2.1/32"), Port: 53}}}},
	}
	for _, test := range tests {
		if got, err := ParseEgress(test.in); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q is %+v, %v; want %+v", test.in, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "allow", "allow=", "allow=a,,b", "allow=a b", "allow=10.0.0.0/33", "allow=300.1.1.1",
		"allow=[::1]:80", "allow=fd00::/8", "allow=a:70000", "allow=a:0", "allow=a:", "allow=*", "allow=a.*.b", "block=a", "allow=*.", "allow=1.2.3"} {
		if got, err := ParseEgress([]string{bad}); !errors.Is(err, ErrEgress) {
			t.Errorf("%q is %+v, %v", bad, got, err)
		}
	}
}

func TestEgressAnd(t *testing.T) {
	for _, test := range []struct{ a, b, want string }{
		{"allow=a.org", "allow=a.org:80", "allow=a.org:80"},
		{"allow=*.a.org", "allow=b.a.org,c.org", "allow=b.a.org"},
		{"allow=a.org", "allow=b.org", "deny"},
		{"allow=10.0.0.0/8:80", "allow=10.1.0.0/16", "allow=10.1.0.0/16:80"},
		{"allow=10.0.0.0/8:80", "allow=10.0.0.0/8:81", "deny"},
		{"allow=10.0.0.0/8", "allow=11.0.0.0/8", "deny"},
		{"deny", "allow=a.org", "deny"},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			got := egress(t, pair[0]).And(egress(t, pair[1]))
			if want := egress(t, test.want); !reflect.DeepEqual(got, want) {
				t.Errorf("%v give %+v, want %+v", pair, got, want)
			}
		}
	}
	both := egress(t, "allow=a.org").And(egress(t, "allow=10.0.0.0/8:80"))
	if want := (EgressRule{"a.org", netip.MustParsePrefix("10.0.0.0/8"), 80}); both.Allow[0] != want {
		t.Errorf("got %+v, want %+v", both, want)
	}
	if e := egress(t, "deny"); (*Egress)(nil).And(e) != e || e.And(nil) != e {
		t.Error("what allows everything changes the other")
	}
}

func egress(t *testing.T, text string) *Egress {
	t.Helper()
	e, err := ParseEgress([]string{text})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func FuzzParseEgress(f *testing.F) {
	for _, seed := range []string{"deny", "allow=deb.example.org:443,10.0.0.0/8", "allow=*.a:1", "allow=[::]:1", "allow=,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEgress([]string{text})
		if err != nil {
			return
		}
		for _, r := range e.Allow {
			if r.Host == "" && !r.Prefix.Addr().Is4() || r.Host != strings.ToLower(r.Host) {
				t.Errorf("%q allows %+v", text, r)
			}
		}
	})
}
