package slirp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show writes mappings in one comparable line.
func show(ports []PortMapping) string {
	var parts []string
	for _, p := range ports {
		text := p.String()
		if p.HostEnd != 0 {
			text += fmt.Sprintf(" (to %d)", p.HostEnd)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestParsePorts(t *testing.T) {
	tests := []struct{ spec, want string }{
		{"80", "0.0.0.0:0->80/tcp"},
		{"8080:80", "0.0.0.0:8080->80/tcp"},
		{"8080:80/udp", "0.0.0.0:8080->80/udp"},
		{"8080:80/TCP", "0.0.0.0:8080->80/tcp"},
		{"127.0.0.1:8080:80", "127.0.0.1:8080->80/tcp"},
		{"127.0.0.1::80", "127.0.0.1:0->80/tcp"},
		{"127.0.0.1:0:80", "127.0.0.1:0->80/tcp"},
		{"0:80", "0.0.0.0:0->80/tcp"},
		{":80", "0.0.0.0:0->80/tcp"},
		{"[::1]:8080:80", "[::1]:8080->80/tcp"},
		{"[::]::80/udp", "[::]:0->80/udp"},
		{"[fe80::1%eth0]:1:2", "[fe80::1%eth0]:1->2/tcp"},
		{"8000-8001:80-81", "0.0.0.0:8000->80/tcp, 0.0.0.0:8001->81/tcp"},
		{"80-81", "0.0.0.0:0->80/tcp, 0.0.0.0:0->81/tcp"},
		{"8000-8010:80", "0.0.0.0:8000->80/tcp (to 8010)"},
		{"8000-8000:80-80", "0.0.0.0:8000->80/tcp"},
		{"65535:65535", "0.0.0.0:65535->65535/tcp"},
	}
	for _, test := range tests {
		ports, err := ParsePorts(test.spec)
		if got := show(ports); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v; want %s", test.spec, got, err, test.want)
		}
	}
	if ports, err := ParsePorts("1-65535:1-65535"); err != nil || len(ports) != 65535 {
		t.Errorf("all ports: %d, %v", len(ports), err)
	}
}

func TestParsePortsRefuses(t *testing.T) {
	tests := []struct{ spec, reason string }{
		{"", "no container port"},
		{"8080:", "no container port"},
		{"80:0", `container port "0"`},
		{"70000:80", `host port "70000"`},
		{"80:70000", `container port "70000"`},
		{"-1:80", "no host port"},
		{"+1:80", `host port "+1"`},
		{"a:80", `host port "a"`},
		{"80-", "no container port"},
		{"8001-8000:80", "ends before it begins"},
		{"8000-8002:80-81", "3 host ports cannot be paired with 2"},
		{"80:80/icmp", "neither tcp nor udp"},
		{"80:80/", "neither tcp nor udp"},
		{"80:80/sctp", "sctp"},
		{"80:80/tcp/udp", "neither tcp nor udp"},
		{"localhost:80:80", `"localhost" is not an IP address`},
		{"::1:80:80", "brackets"},
		{"[127.0.0.1]:80:80", "brackets"},
		{"[::1:80:80", "closing bracket"},
		{"[]:80:80", "not an IP address"},
		{"[::1]:80", "[::1]::80 takes a free one"},
		{"127.0.0.1:80", `host port "127.0.0.1"`},
		{"1:2:3:4", "not an IP address"},
		{"80 :80", `host port "80 "`},
	}
	for _, test := range tests {
		ports, err := ParsePorts(test.spec)
		if !errors.Is(err, ErrPortSpec) || !strings.Contains(fmt.Sprint(err), test.reason) {
			t.Errorf("%q: got %s, %v; want an error with %q", test.spec, show(ports), err, test.reason)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, seed := range []string{"80", "1-2:3-4/udp", "[::1]:80:80", "127.0.0.1::80", "a:b:c/d", "[::1%25]:1:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		ports, err := ParsePorts(spec)
		if err != nil {
			return
		}
		if len(ports) == 0 {
			t.Error("neither ports nor an error")
		}
		for _, p := range ports {
			if p.Container == 0 || (p.Protocol != "tcp" && p.Protocol != "udp") || (p.HostEnd != 0 && p.HostEnd < p.Host) {
				t.Errorf("impossible mapping %+v", p)
			}
		}
	})
}
