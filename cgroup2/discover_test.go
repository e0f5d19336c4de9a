package cgroup2

import (
	"testing"

	"github.com/rl-project/rl/internal/idmap"
)

func TestParseGroup(t *testing.T) {
	for text, want := range map[string]string{
		"0::/user.slice/a.scope\n":             "/user.slice/a.scope",
		"4:memory:/x\n1:cpu:/y\n0::/unified\n": "/unified",
		"0::/\n":                               "/",
		"0::/../../outside\n":                  "",
		"0::/a/../b\n":                         "",
		"0::relative\n":                        "",
		"1:cpu:/\n":                            "",
		"":                                     "",
	} {
		got, err := parseGroup(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("parseGroup(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseGroup(f *testing.F) {
	f.Add("0::/user.slice/user-1000.slice/session-3.scope\n")
	f.Add("12:pids:/a\n0::/..\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseGroup(text)
		if err == nil && (got == "" || got[0] != '/') {
			t.Errorf("parseGroup(%q) = %q", text, got)
		}
	})
}

func TestUserUnit(t *testing.T) {
	const user = Root + "/user.slice/user-1000.slice/user@1000.service"
	for group, want := range map[string]string{
		user + "/app.slice/web.service":            user + "/app.slice/web.service",
		user + "/app.slice/web.service/supervisor": user + "/app.slice/web.service",
		user + "/app.slice/term.scope":             user + "/app.slice/term.scope",
		user:                                       "",
		Root + "/user.slice/user-1000.slice/session-3.scope": "",
		Root + "/system.slice/cron.service":                  "",
		Root:                                                 "",
	} {
		if got := userUnit(group); got != want {
			t.Errorf("userUnit(%q) = %q, want %q", group, got, want)
		}
	}
}

func TestUnitObject(t *testing.T) {
	for unit, want := range map[string]string{
		"web.service":     "web_2eservice",
		"run-r9.scope":    "run_2dr9_2escope",
		"0a@b.service":    "_30a_40b_2eservice",
		"caf\xc3.service": "caf_c3_2eservice",
	} {
		if got := unitObject(unit); string(got) != "/org/freedesktop/systemd1/unit/"+want {
			t.Errorf("unitObject(%q) = %q", unit, got)
		}
	}
}

func TestTranslate(t *testing.T) {
	table := []idmap.Range{{Host: 1000, Size: 1}, {Container: 1, Host: 165536, Size: 65536}}
	for inside, want := range map[int]int{0: 1000, 1: 165536, 65536: 231071, 70000: 70000} {
		if got := translate(table, inside); got != want {
			t.Errorf("translate(%d) = %d, want %d", inside, got, want)
		}
	}
}

func TestSocketsOfAnUnusualLogin(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/0")
	got := sockets(1000)
	want := []socket{
		{"unix:path=/run/user/0/bus", false}, {"unix:path=/run/user/0/systemd/private", true},
		{"unix:path=/run/user/1000/bus", false}, {"unix:path=/run/user/1000/systemd/private", true},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("socket %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestContainerOf(t *testing.T) {
	for name, want := range map[string]string{
		"rl-0123456789ab":       "0123456789ab",
		"rl-0123456789ab.scope": "0123456789ab",
		"rl-0123456789abc":      "",
		"rl-netd.scope":         "",
		"podman-0123456789ab":   "",
		"rl-0123456789AB":       "",
	} {
		if got, ok := containerOf(name); got != want || ok != (want != "") {
			t.Errorf("containerOf(%q) = %q, %v", name, got, ok)
		}
	}
}

func TestParseIO(t *testing.T) {
	r, w := parseIO("8:0 rbytes=1 wbytes=2 rios=9 wios=9 dbytes=0 dios=0\n8:16 rbytes=10 wbytes=20\n253:0 \n")
	if r != 11 || w != 22 {
		t.Errorf("read %d, wrote %d", r, w)
	}
}

func FuzzParseKeyed(f *testing.F) {
	f.Add("populated 1\nfrozen 0\n")
	f.Fuzz(func(t *testing.T, text string) { parseKeyed(text) })
}
