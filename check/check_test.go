package check

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/fork"
)

var errNone = errors.New("not there")

// fake is a machine on which everything works, with files below a folder of the test's.
func fake(t *testing.T, files map[string]string) *machine {
	t.Helper()
	root := t.TempDir()
	usual := map[string]string{
		"/etc/os-release":    "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
		"/etc/subuid":        "bob:100000:65536\nann:165536:65536\n",
		"/etc/subgid":        "bob:100000:65536\nann:165536:65536\n",
		"/usr/bin/newuidmap": "", "/usr/bin/newgidmap": "", "/dev/fuse": "", "/dev/net/tun": "",
		"/proc/self/ns/user":                            "",
		"/proc/sys/user/max_user_namespaces":            "15000\n",
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "80\n",
		"/proc/sys/net/ipv4/ping_group_range":           "0\t2147483647\n",
		"/var/lib/systemd/linger/ann":                   "",
		"/run/systemd/system/x":                         "",
		"/usr/lib/systemd/user/dbus.socket":             "",
	}
	for name, text := range files {
		usual[name] = text
	}
	for name, text := range usual {
		if text == "absent" {
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "/usr/bin/") {
			mode = 0o755 | os.ModeSetuid
		}
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	m := &machine{
		root: root, uid: 1000, gid: 1000, user: "ann", program: "/opt/my tools/rl", kernel: "6.1.0-18-amd64",
		places:    dirs.Dirs{Data: root, Runtime: "/run/user/1000/rl", UID: 1000},
		lookPath:  func(name string) (string, error) { return find(root, name) },
		getenv:    func(string) string { return "/run/user/1000" },
		hardLimit: func(int) uint64 { return 1 << 20 },
		command:   func(context.Context, string, ...string) (string, error) { return "", errNone },
		try:       func(uint64, attempt) error { return nil },
		tryMaps:   func(_, _ []idRange) error { return nil },
		talk:      func(uint64, int, []byte) error { return nil },
		discover: func(context.Context) cgroup2.Info {
			return cgroup2.Info{Mode: cgroup2.Unified, Systemd: true, Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"}}
		},
	}
	m.distro = m.readDistribution()
	return m
}

func find(root, name string) (string, error) {
	file := "/usr/bin/" + name
	if _, err := os.Stat(root + file); err != nil {
		return "", exec.ErrNotFound
	}
	return file, nil
}

// item finds one by its name; a missing one is the zero Item.
func item(r Report, name string) Item {
	for _, i := range r.Items {
		if i.Name == name {
			return i
		}
	}
	return Item{}
}

func TestEverythingWorks(t *testing.T) {
	r := run(context.Background(), fake(t, nil))
	for _, i := range r.Items {
		// There is no real pasta to ask for its version; the built-in network is what remains.
		if i.Status != OK && i.Name != "uplink" {
			t.Errorf("%+v", i)
		}
	}
	if r.System != "Debian GNU/Linux 12" || r.User != "ann" {
		t.Errorf("%q, %q", r.System, r.User)
	}
}

// failing makes the attempt fail as the kernel's refusal of that step would.
func failing(step string, errno unix.Errno) func(uint64, attempt) error {
	return func(uint64, attempt) error { return &fork.StepError{Step: step, Err: errno} }
}

func TestForbiddenUserNamespaces(t *testing.T) {
	for _, test := range []struct {
		name          string
		files         map[string]string
		errno         unix.Errno
		found, script string
		remedy        string
	}{
		{"the limit is zero", map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"}, unix.ENOSPC,
			"user.max_user_namespaces = 0", "user.max_user_namespaces = 15000", ""},
		{"Debian's switch", map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}, unix.EPERM,
			"unprivileged_userns_clone = 0", "kernel.unprivileged_userns_clone = 1", ""},
		{"AppArmor", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, unix.EACCES,
			"AppArmor", `profile rl "/opt/my tools/rl" flags=(unconfined)`, ""},
		{"the limit is reached", nil, unix.ENOSPC, "no more are left of 15000", "user.max_user_namespaces", ""},
		{"not in the kernel", map[string]string{"/proc/self/ns/user": "absent"}, unix.EINVAL, "not in this kernel", "", "CONFIG_USER_NS"},
		{"a seccomp filter", map[string]string{"/proc/self/status": "Name:\trl\nSeccomp:\t2\n"}, unix.EPERM, "seccomp filter", "", "outer container"},
		{"unknown", nil, unix.EPERM, "operation not permitted", "", "chroot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fake(t, test.files)
			m.try = failing("write uid_map", test.errno)
			r := run(context.Background(), m)
			i := item(r, "user namespaces")
			if i.Status != Missing || !strings.Contains(i.Found, test.found) || !strings.Contains(i.Remedy, test.remedy) {
				t.Errorf("%+v", i)
			}
			if !strings.Contains(r.Script, test.script) {
				t.Errorf("script lacks %q:\n%s", test.script, r.Script)
			}
			if r.Count(Missing) != 1 {
				t.Errorf("what needs a user namespace was tried: %+v", r.Items)
			}
		})
	}
}

func TestOneKindOfNamespaceIsForbidden(t *testing.T) {
	m := fake(t, map[string]string{"/proc/sys/user/max_net_namespaces": "0\n"})
	m.try = func(flags uint64, _ attempt) error {
		if flags&unix.CLONE_NEWNET != 0 {
			return unix.ENOSPC
		}
		return nil
	}
	r := run(context.Background(), m)
	if i := item(r, "net namespaces"); i.Status != Missing || i.Found != "user.max_net_namespaces = 0" {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(r.Script, "user.max_net_namespaces = 15000") {
		t.Errorf("script:\n%s", r.Script)
	}
}

func TestIdentities(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		change func(*machine)
		item   string
		status Status
		found  string
		script string
	}{
		{"the usual", nil, nil, "subordinate ids", OK, "65536: 165536-231071", ""},
		{"by number", map[string]string{"/etc/subuid": "1000:5:70000\n", "/etc/subgid": "1000:5:70000\n"}, nil, "subordinate ids", OK, "5-70004", ""},
		{"none", map[string]string{"/etc/subuid": "bob:100000:65536\n", "/etc/subgid": "bob:165536:65536\n"}, nil,
			"subordinate ids", Degraded, "none for ann", "echo ann:231072:65536 >> /etc/subuid\necho ann:231072:65536 >> /etc/subgid\n"},
		{"no files", map[string]string{"/etc/subuid": "absent", "/etc/subgid": "absent"}, nil, "subordinate ids", Degraded, "none", "ann:100000:65536"},
		{"few", map[string]string{"/etc/subuid": "ann:100000:1000\n"}, nil, "subordinate ids", Degraded, "1000", "ann:231072:65536"},
		{"garbage", map[string]string{"/etc/subuid": "::::\nann:-1:-5\nann\n"}, nil, "subordinate ids", Degraded, "none", "echo"},
		{"of a directory service", map[string]string{"/etc/subuid": "absent", "/etc/subgid": "absent", "/usr/bin/getsubids": ""},
			func(m *machine) {
				m.command = func(context.Context, string, ...string) (string, error) { return "0: ann 300000 65536\nnoise\n", nil }
			}, "subordinate ids", OK, "300000-365535", ""},
		{"no helper", map[string]string{"/usr/bin/newgidmap": "absent"}, nil, "newuidmap, newgidmap", Degraded, "newgidmap is not installed", "apt-get install -y uidmap"},
		{"helpers refuse", nil, func(m *machine) {
			m.tryMaps = func(_, _ []idRange) error { return errors.New("newuidmap: exit status 1: no") }
		},
			"id maps", Degraded, "newuidmap: exit status 1: no", ""},
		{"root", nil, func(m *machine) { m.uid = 0 }, "subordinate ids", OK, "root maps a range", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fake(t, test.files)
			if test.change != nil {
				test.change(m)
			}
			r := run(context.Background(), m)
			i := item(r, test.item)
			if i.Status != test.status || !strings.Contains(i.Found, test.found) || (i.Status == OK) != (i.Cost == "") {
				t.Errorf("%+v", i)
			}
			if !strings.Contains(r.Script, test.script) {
				t.Errorf("script lacks %q:\n%s", test.script, r.Script)
			}
		})
	}
}

func TestHelperWithoutItsBit(t *testing.T) {
	m := fake(t, nil)
	if err := os.Chmod(m.path("/usr/bin/newuidmap"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := run(context.Background(), m)
	if i := item(r, "newuidmap, newgidmap"); i.Status != Degraded || !strings.Contains(i.Found, "is not set-uid root") {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(r.Script, "chmod u+s /usr/bin/newuidmap") || strings.Contains(r.Script, "newgidmap") {
		t.Errorf("script:\n%s", r.Script)
	}
}

func TestFileSystems(t *testing.T) {
	noOverlay := func(m *machine) { m.try = failOverlay }
	for _, test := range []struct {
		name   string
		files  map[string]string
		change func(*machine)
		item   string
		status Status
		script string
	}{
		{"fuse-overlayfs instead", map[string]string{"/usr/bin/fuse-overlayfs": ""}, noOverlay, "overlay", Degraded, ""},
		{"no overlay at all", nil, noOverlay, "overlay", Missing, "fuse-overlayfs"},
		{"no /dev/fuse either", map[string]string{"/usr/bin/fuse-overlayfs": "", "/dev/fuse": "absent"}, noOverlay, "overlay", Missing, "modprobe fuse"},
		{"no place", nil, func(m *machine) { m.placesErr = errNone }, "folder for containers", Missing, ""},
		{"home on a network", nil, func(m *machine) { m.places.Scratch = true }, "folder for containers", Degraded, ""},
		{"runtime in /tmp", nil, func(m *machine) { m.places.Runtime = "/tmp/rl-1000" }, "runtime folder", Degraded, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fake(t, test.files)
			test.change(m)
			r := run(context.Background(), m)
			if i := item(r, test.item); i.Status != test.status || i.Cost == "" {
				t.Errorf("%+v", i)
			}
			if !strings.Contains(r.Script, test.script) {
				t.Errorf("script lacks %q:\n%s", test.script, r.Script)
			}
			left, err := filepath.Glob(filepath.Join(m.places.Data, "check-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// failOverlay fails for programs that open an overlay.
func failOverlay(_ uint64, p attempt) error {
	if p == nil {
		return nil
	}
	prog := new(fork.Program)
	p(prog)
	if strings.Contains(strings.Join(prog.Steps(), "\n"), "overlay") {
		return &fork.StepError{Step: "make overlay", Err: unix.EPERM}
	}
	return nil
}

func TestControlGroups(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		info   cgroup2.Info
		script string
		remedy string
	}{
		{"no io", nil, cgroup2.Info{Mode: cgroup2.Unified, Systemd: true, Controllers: []string{"cpu", "memory", "pids"}}, "Delegate=", ""},
		{"hybrid with systemd", nil, cgroup2.Info{Mode: cgroup2.Hybrid}, "unified_cgroup_hierarchy", ""},
		{"hybrid without", map[string]string{"/run/systemd/system/x": "absent"}, cgroup2.Info{Mode: cgroup2.Hybrid}, "", "cgroup v2 and systemd"},
		{"no user bus", map[string]string{"/usr/lib/systemd/user/dbus.socket": "absent"},
			cgroup2.Info{Mode: cgroup2.Unified, SystemdError: cgroup2.ErrNoSystemd}, "apt-get install -y dbus-user-session", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := fake(t, test.files)
			m.discover = func(context.Context) cgroup2.Info { return test.info }
			r := run(context.Background(), m)
			if !strings.Contains(r.Script, test.script) || r.Count(Degraded) < 2 || r.Count(Missing) > 0 {
				t.Errorf("%d degraded, %d missing, script:\n%s", r.Count(Degraded), r.Count(Missing), r.Script)
			}
			if i := item(r, "control groups"); !strings.Contains(i.Remedy, test.remedy) {
				t.Errorf("%+v", i)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	m := fake(t, map[string]string{
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
		"/proc/sys/net/ipv4/ping_group_range":           "1\t0\n",
		"/dev/net/tun":                                  "absent",
		"/var/lib/systemd/linger/ann":                   "absent",
		"/usr/bin/slirp4netns":                          "",
	})
	m.talk = func(_ uint64, family int, _ []byte) error {
		if family == unix.NETLINK_NETFILTER {
			return unix.EOPNOTSUPP
		}
		return nil
	}
	r := run(context.Background(), m)
	for name, want := range map[string]Status{"virtual network": OK, "nftables": Degraded, "/dev/net/tun": Degraded,
		"uplink": Degraded, "low ports": Degraded, "ping": Degraded, "after logout": Degraded} {
		if i := item(r, name); i.Status != want {
			t.Errorf("%s: %+v", name, i)
		}
	}
	for _, want := range []string{"\nmodprobe nf_tables\n", "\nmodprobe tun\n", "\n# loginctl enable-linger ann\n",
		"\n# net.ipv4.ip_unprivileged_port_start = 80\n", "\n# apt-get install -y passt\n"} {
		if !strings.Contains(r.Script, want) {
			t.Errorf("script lacks %q:\n%s", want, r.Script)
		}
	}
}

func TestIPv6(t *testing.T) {
	const (
		all   = "00000000000000000000000000000000"
		out   = all + " 00 " + all + " 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
		local = "fe800000000000000000000000000000 40 " + all + " 00 " + all + " 00000100 00000001 00000000 00000001     eth0\n"
		none  = all + " 00 " + all + " 00 " + all + " ffffffff 00000001 00000000 00200200       lo\n"
	)
	for _, test := range []struct {
		routes, program string
		want            Status
		found           string
	}{
		{local + out + none, "/usr/bin/pasta", OK, "reach the outside"},
		{local + out, "/usr/bin/slirp4netns", OK, "reach the outside"},
		{local + out, "/usr/bin/other", Degraded, "built-in"},
		{local + none, "/usr/bin/pasta", OK, "no way"},
		{"", "/usr/bin/pasta", OK, "no way"},
	} {
		m := fake(t, map[string]string{"/proc/net/ipv6_route": test.routes, test.program: ""})
		if i := item(run(context.Background(), m), "IPv6"); i.Status != test.want || !strings.Contains(i.Found, test.found) {
			t.Errorf("%s with %q: %+v", test.program, test.routes, i)
		}
	}
}

func TestLimits(t *testing.T) {
	m := fake(t, nil)
	m.hardLimit = func(int) uint64 { return 100 }
	r := run(context.Background(), m)
	if i := item(r, "open files"); i.Status != Degraded || i.Found != "up to 100" {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(r.Script, "echo 'ann hard nofile 524288' >> /etc/security/limits.d/90-rl.conf") {
		t.Errorf("script:\n%s", r.Script)
	}
}

func TestOldKernel(t *testing.T) {
	for release, want := range map[string]Status{"5.10.0-28-amd64": Missing, "4.18.0-553.el8": Missing, "5.12.0": OK, "6.1": OK, "strange": OK} {
		m := fake(t, nil)
		m.kernel = release
		if i := item(run(context.Background(), m), "Linux"); i.Status != want {
			t.Errorf("%s: %+v", release, i)
		}
	}
}

func TestSeccompFilters(t *testing.T) {
	m := fake(t, nil)
	m.try = func(flags uint64, p attempt) error {
		if flags == 0 && p != nil { // the one attempt that needs no other namespace
			return &fork.StepError{Step: "load a filter", Err: unix.EINVAL}
		}
		return nil
	}
	if i := item(run(context.Background(), m), "seccomp filters"); i.Status != Missing {
		t.Errorf("%+v", i)
	}
}

// What the report asks an administrator to run must be a shell script, whatever the names in it are.
func TestScriptIsShell(t *testing.T) {
	m := fake(t, map[string]string{
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
		"/proc/sys/net/ipv4/ip_unprivileged_port_start":          "1024\n",
		"/etc/subuid": "absent", "/etc/subgid": "absent", "/usr/bin/newuidmap": "absent",
	})
	m.user, m.program = "o'hara$(reboot)", `/home/o'hara/"bin"/rl`
	m.try = failing("change a mount", unix.EACCES)
	m.discover = func(context.Context) cgroup2.Info { return cgroup2.Info{Mode: cgroup2.Unified, Systemd: true} }
	m.hardLimit = func(int) uint64 { return 1 }
	r := run(context.Background(), m)
	sh := exec.Command("sh", "-n")
	sh.Stdin = strings.NewReader(r.Script)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("sh -n: %v: %s\n%s", err, out, r.Script)
	}
	if !strings.Contains(r.Script, `echo 'o'\''hara$(reboot):100000:65536' >> /etc/subuid`) {
		t.Errorf("the user's name is not quoted:\n%s", r.Script)
	}
}

func TestInstallLines(t *testing.T) {
	for release, want := range map[string]string{
		"ID=ubuntu\nID_LIKE=debian\n":               "apt-get install -y uidmap",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n": "apt-get install -y uidmap",
		"ID=\"rocky\"\nID_LIKE=\"rhel centos\"\n":   "dnf install -y shadow-utils",
		"ID=opensuse-leap\nID_LIKE=\"suse\"\n":      "zypper install -y shadow",
		"ID=arch\n":                                 "pacman -S --needed --noconfirm shadow",
		"ID=alpine\n":                               "apk add shadow-uidmap",
		"ID=nixos\n":                                "# install: newuidmap",
		"":                                          "# install: newuidmap",
	} {
		d := fake(t, map[string]string{"/etc/os-release": release}).distro
		if got := d.installLine([]string{d.packageOf("newuidmap")}); got != want {
			t.Errorf("%q: %s, want %s", release, got, want)
		}
	}
}

func TestWrite(t *testing.T) {
	r := Report{User: "ann", Kernel: "6.1", System: "Debian", Items: []Item{
		{Group: "A", Name: "one", Status: OK, Found: "here"},
		{Group: "A", Name: "second", Status: Degraded, Found: "slow", Cost: "it is slow", Remedy: "wait"},
		{Group: "B", Name: "three", Status: Missing, Found: "no", Cost: "nothing runs"},
	}, Script: "#!/bin/sh\ntrue\n"}
	var plain, colour strings.Builder
	if err := errors.Join(r.Write(&plain, false), r.Write(&colour, true)); err != nil {
		t.Fatal(err)
	}
	want := `ann, Linux 6.1, Debian

A
  ok        one     here
  degraded  second  slow
                    - it is slow
                    - wait

B
  missing  three  no
                  - nothing runs

Containers cannot run: 1 missing, 1 degraded. What an administrator can run:

#!/bin/sh
true
`
	if plain.String() != want {
		t.Errorf("%s\nwant\n%s", plain.String(), want)
	}
	if !strings.Contains(colour.String(), "  \x1b[31mmissing\x1b[0m  three") || strings.Contains(plain.String(), "\x1b") {
		t.Errorf("%q", colour.String())
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"status":"degraded","found":"slow","cost":"it is slow"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNetlinkMessages(t *testing.T) {
	for name, m := range map[string][]byte{"link": newLink("veth"), "table": newTable()} {
		if len(m)%4 != 0 || len(m) < 32 {
			t.Errorf("%s has %d bytes", name, len(m))
		}
	}
	if err := netlinkError(nil); !errors.Is(err, errNoAnswer) {
		t.Errorf("no answer: %v", err)
	}
	reply := message(unix.NLMSG_ERROR, 0, []byte{0, 0, 0, 0})
	if err := netlinkError(reply); err != nil {
		t.Errorf("acknowledged: %v", err)
	}
	reply[16], reply[17], reply[18], reply[19] = 0xff, 0xff, 0xff, 0xff
	if err := netlinkError(reply); !errors.Is(err, unix.EPERM) {
		t.Errorf("-1: %v", err)
	}
}

func FuzzNetlinkError(f *testing.F) {
	f.Add(message(unix.NLMSG_ERROR, 0, []byte{0, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if err := netlinkError(answer); err == nil && len(answer) < netlinkHeader+4 {
			t.Errorf("%d bytes are taken for an acknowledgement", len(answer))
		}
	})
}
