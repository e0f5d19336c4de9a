package spec

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestMemory(t *testing.T) {
	const m = 1 << 20
	for _, test := range []struct {
		memory, swap, reservation string
		limit, both, soft         int64 // 0 for none
		bad                       string
	}{
		{memory: "20m", limit: 20 * m},
		{memory: "6m", limit: 6 * m},
		{memory: "0"},
		{memory: "1g", swap: "1g", limit: 1024 * m, both: 1024 * m},
		{memory: "20m", swap: "-1", limit: 20 * m, both: -1},
		{memory: "20m", swap: "0", limit: 20 * m},
		{memory: "20m", reservation: "10m", limit: 20 * m, soft: 10 * m},
		{reservation: "10m", soft: 10 * m},
		{memory: "20971520", limit: 20 * m},
		{memory: "0.5g", limit: 512 * m},
		{memory: "5m", bad: "minimum memory limit allowed is 6MB"},
		{memory: "20x", bad: `invalid size for --memory: "20x"`},
		{memory: "-1", bad: "--memory"},
		{memory: "m", bad: "--memory"},
		{swap: "1g", bad: "needs --memory"},
		{memory: "20m", swap: "10m", bad: "is below --memory"},
		{memory: "20m", swap: "-2", bad: "--memory-swap"},
		{memory: "20m", reservation: "30m", bad: "is below --memory-reservation"},
		{reservation: "1m", bad: "--memory-reservation 1m: minimum"},
	} {
		r, err := Limits{Memory: test.memory, MemorySwap: test.swap, MemoryReservation: test.reservation}.Resources(4)
		checkError(t, test, err, test.bad)
		if test.bad != "" {
			continue
		}
		var got specs.LinuxMemory
		if r != nil {
			got = *r.Memory
		}
		if value(got.Limit) != test.limit || value(got.Swap) != test.both || value(got.Reservation) != test.soft {
			t.Errorf("%+v: limit %d, with swap %d, reservation %d", test, value(got.Limit), value(got.Swap), value(got.Reservation))
		}
	}
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

func TestCPU(t *testing.T) {
	for _, test := range []struct {
		limits Limits
		quota  int64
		period uint64
		shares uint64
		bad    string
	}{
		{limits: Limits{CPUs: "1.5"}, quota: 150000, period: 100000},
		{limits: Limits{CPUs: "0.01"}, quota: 1000, period: 100000},
		{limits: Limits{CPUs: "4"}, quota: 400000, period: 100000},
		{limits: Limits{CPUs: "0"}},
		{limits: Limits{CPUPeriod: 50000, CPUQuota: 25000, CPUShares: 512}, quota: 25000, period: 50000, shares: 512},
		{limits: Limits{CPUQuota: -1}, quota: -1},
		{limits: Limits{CPUs: "4.1"}, bad: "there are only 4 CPUs"},
		{limits: Limits{CPUs: "0.001"}, bad: "from 0.01"},
		{limits: Limits{CPUs: "-1"}, bad: "number of processors"},
		{limits: Limits{CPUs: "NaN"}, bad: "number of processors"},
		{limits: Limits{CPUs: "all"}, bad: "number of processors"},
		{limits: Limits{CPUs: "1", CPUQuota: 1000}, bad: "cannot go with"},
		{limits: Limits{CPUPeriod: 999}, bad: "between 1000"},
		{limits: Limits{CPUPeriod: 1000001}, bad: "between 1000"},
		{limits: Limits{CPUQuota: 999}, bad: "at least 1000"},
		{limits: Limits{CPUShares: -1}, bad: "positive"},
	} {
		r, err := test.limits.Resources(4)
		checkError(t, test.limits, err, test.bad)
		if test.bad != "" {
			continue
		}
		c := &specs.LinuxCPU{}
		if r != nil {
			c = r.CPU
		}
		if value(c.Quota) != test.quota || unsigned(c.Period) != test.period || unsigned(c.Shares) != test.shares {
			t.Errorf("%+v: %+v", test.limits, c)
		}
	}
}

func unsigned(p *uint64) uint64 {
	if p == nil {
		return 0
	}
	return *p
}

func TestCPUSet(t *testing.T) {
	for in, bad := range map[string]string{
		"0": "", "0-3": "", "0,2-3": "", "0,0": "", "4": "not available", "0-4": "not available", "3-1": "numbers and ranges",
		"a": "numbers and ranges", "1-": "numbers and ranges", ",": "numbers and ranges", "-1": "numbers and ranges", "99999999": "numbers",
	} {
		r, err := Limits{CPUSetCPUs: in}.Resources(4)
		checkError(t, in, err, bad)
		if bad == "" && r.CPU.Cpus != in {
			t.Errorf("%s: %+v", in, r.CPU)
		}
	}
	_, err := Limits{CPUSetMems: "x"}.Resources(4)
	checkError(t, "mems", err, "--cpuset-mems")
}

func TestPids(t *testing.T) {
	for in, want := range map[int64]int64{10: 10, 0: -1, -1: -1} {
		r, err := Limits{PidsLimit: &in}.Resources(4)
		if err != nil || *r.Pids.Limit != want {
			t.Errorf("%d: %+v, %v", in, r, err)
		}
	}
	bad := int64(-2)
	_, err := Limits{PidsLimit: &bad}.Resources(4)
	checkError(t, bad, err, "--pids-limit")
}

func TestBlkio(t *testing.T) {
	r, err := Limits{BlkioWeight: 500}.Resources(4)
	if err != nil || *r.BlockIO.Weight != 500 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, test := range []struct {
		limits Limits
		bad    string
	}{
		{Limits{BlkioWeight: 9}, "between 10 and 1000"},
		{Limits{BlkioWeight: 1001}, "between 10 and 1000"},
		{Limits{BlkioWeightDevice: []string{"/dev/null:5"}}, "between 10 and 1000"},
		{Limits{BlkioWeightDevice: []string{"/dev/null:500"}}, "not a block device"},
		{Limits{BlkioWeightDevice: []string{"500"}}, "write /dev/NAME:VALUE"},
		{Limits{DeviceReadBps: []string{"/dev/null:1m"}}, "--device-read-bps: /dev/null is not a block device"},
		{Limits{DeviceWriteBps: []string{"/dev/missing:1m"}}, "no such file"},
		{Limits{DeviceReadBps: []string{"/dev/null:fast"}}, "bytes for each second"},
		{Limits{DeviceReadIOps: []string{"/dev/null:1m"}}, "number of operations"},
		{Limits{DeviceWriteIOps: []string{"sda:1"}}, "write /dev/NAME:VALUE"},
		{Limits{DeviceWriteIOps: []string{"/dev/sda:"}}, "write /dev/NAME:VALUE"},
	} {
		_, err := test.limits.Resources(4)
		checkError(t, test.limits, err, test.bad)
	}
}

func TestSysctls(t *testing.T) {
	for _, test := range []struct{ in, key, value, bad string }{
		{in: "net.ipv4.ip_forward=1", key: "net.ipv4.ip_forward", value: "1"},
		{in: "net/ipv4/ip_forward=1", key: "net.ipv4.ip_forward", value: "1"},
		{in: "net/ipv4/conf/eth0.5/forwarding=1", key: "net.ipv4.conf.eth0/5.forwarding", value: "1"},
		{in: "kernel.shm_rmid_forced=", key: "kernel.shm_rmid_forced"},
		{in: "fs.mqueue.msg_max=100", key: "fs.mqueue.msg_max", value: "100"},
		{in: "kernel.sem=1 2 3 4", key: "kernel.sem", value: "1 2 3 4"},
		{in: "kernel.panic=1", bad: "belongs to the whole machine"},
		{in: "vm.swappiness=1", bad: "belongs to the whole machine"},
		{in: "net.ipv4.ip_forward", bad: "NAME=VALUE"},
		{in: "=1", bad: "NAME=VALUE"},
		{in: "net./../kernel/panic=1", bad: "not a name"},
		{in: "net...kernel.panic=1", bad: "not a name"},
		{in: "net/../../x=1", bad: "not a name"},
		{in: "net.\x00=1", bad: "not a name"},
	} {
		key, value, err := parseSysctl(test.in)
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && (key != test.key || value != test.value) {
			t.Errorf("%q: %q=%q", test.in, key, value)
		}
	}
}

func TestSysctlsOfAContainer(t *testing.T) {
	s, _ := mustBuild(t, Options{Sysctls: []string{"net.ipv4.ip_unprivileged_port_start=80", "kernel.msgmax=1"}})
	want := map[string]string{"net.ipv4.ip_unprivileged_port_start": "80", "net.ipv4.ping_group_range": "0 65536", "kernel.msgmax": "1"}
	for k, v := range want {
		if s.Linux.Sysctl[k] != v {
			t.Errorf("%s is %q, want %q", k, s.Linux.Sysctl[k], v)
		}
	}
	for _, test := range []struct {
		opts Options
		bad  string
	}{
		{Options{Network: "host", Sysctls: []string{"net.ipv4.ip_forward=1"}}, "no network of its own"},
		{Options{Network: "container:abc", Sysctls: []string{"net.ipv4.ip_forward=1"}}, "no network of its own"},
		{Options{IPC: "host", Sysctls: []string{"kernel.msgmax=1"}}, "no ipc namespace of its own"},
	} {
		_, err := Build(test.opts, shellImage(), testHost())
		checkError(t, test.opts, err, test.bad)
	}
}

func TestPingGroups(t *testing.T) {
	m := func(c, h, n uint32) specs.LinuxIDMapping {
		return specs.LinuxIDMapping{ContainerID: c, HostID: h, Size: n}
	}
	for _, test := range []struct {
		name string
		gids []specs.LinuxIDMapping
		want string
	}{
		{"no user namespace", nil, "0 2147483647"},
		{"one id", []specs.LinuxIDMapping{m(0, 1000, 1)}, "0 0"},
		{"the usual map", []specs.LinuxIDMapping{m(0, 1000, 1), m(1, 100000, 65536)}, "0 65536"},
		{"subordinate ids below one's own", []specs.LinuxIDMapping{m(0, 500000, 1), m(1, 100000, 65536)}, "0 0"},
		{"root", []specs.LinuxIDMapping{m(0, 1<<20, 65536)}, "0 65535"},
		{"without group 0", []specs.LinuxIDMapping{m(5, 1000, 1)}, ""},
	} {
		if got := pingGroups(test.gids); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestNamespaces(t *testing.T) {
	kinds := func(opts Options) string {
		s, _ := mustBuild(t, opts)
		var list []string
		for _, n := range s.Linux.Namespaces {
			list = append(list, string(n.Type))
		}
		return strings.Join(list, " ")
	}
	for _, test := range []struct {
		opts Options
		want string
	}{
		{Options{}, "mount network pid ipc uts cgroup"},
		{Options{Network: "none", PID: "private"}, "mount network pid ipc uts cgroup"},
		{Options{Network: "host", PID: "host", IPC: "host", UTS: "host", CgroupNS: "host"}, "mount"},
		{Options{Network: "container:abc", PID: "container:abc", IPC: "container:abc", UTS: "container:abc"}, "mount cgroup"},
		{Options{IPC: "shareable"}, "mount network pid ipc uts cgroup"},
	} {
		if got := kinds(test.opts); got != test.want {
			t.Errorf("%+v: %s, want %s", test.opts, got, test.want)
		}
	}
	for _, test := range []struct {
		opts Options
		bad  string
	}{
		{Options{PID: "mine"}, `--pid "mine": choose host, private or container:NAME`},
		{Options{PID: "container:"}, "needs the name or id"},
		{Options{UTS: "other"}, `--uts "other": choose host, private or container:NAME`},
		{Options{IPC: "everyone"}, "shareable"},
		{Options{CgroupNS: "x"}, "--cgroupns"},
		{Options{UTS: "host", Hostname: "x"}, "--uts host"},
		{Options{Hostname: strings.Repeat("x", 65)}, "64 characters"},
		{Options{Domainname: "a\nb"}, "--domainname"},
		{Options{UserNS: "auto"}, "keep-id"},
	} {
		_, err := Build(test.opts, shellImage(), testHost())
		checkError(t, test.opts, err, test.bad)
	}
}

func TestParseUserNS(t *testing.T) {
	for _, test := range []struct {
		in   string
		want UserNS
		bad  string
	}{
		{in: "", want: UserNS{UID: -1, GID: -1}},
		{in: "host", want: UserNS{UID: -1, GID: -1}},
		{in: "keep-id", want: UserNS{KeepID: true, UID: -1, GID: -1}},
		{in: "keep-id:uid=5", want: UserNS{KeepID: true, UID: 5, GID: -1}},
		{in: "keep-id:uid=5,gid=6", want: UserNS{KeepID: true, UID: 5, GID: 6}},
		{in: "keep-id:", bad: "uid=N"},
		{in: "keep-id:uid=-1", bad: "uid=N"},
		{in: "keep-id:size=1", bad: "uid=N"},
		{in: "host:uid=1", bad: "nothing after"},
		{in: "nomap", bad: "keep-id"},
	} {
		got, err := parseUserNS(test.in)
		checkError(t, test.in, err, test.bad)
		if test.bad == "" && got != test.want {
			t.Errorf("%q: %+v", test.in, got)
		}
	}
}

func TestLifecycle(t *testing.T) {
	for in, want := range map[string]string{"": "no", "no": "no", "always": "always", "unless-stopped": "unless-stopped",
		"on-failure": "on-failure", "on-failure:3": "on-failure:3", "on-failure:0": "on-failure"} {
		p, err := ParseRestart(in)
		if err != nil || p.String() != want {
			t.Errorf("%q: %s, %v", in, p, err)
		}
	}
	for _, bad := range []string{"sometimes", "always:3", "on-failure:", "on-failure:x", "on-failure:-1", ":3"} {
		_, err := ParseRestart(bad)
		checkError(t, bad, err, "--restart")
	}
	seconds := func(n int) *int { return &n }
	img := shellImage()
	img.StopSignal = "SIGQUIT"
	for _, test := range []struct {
		opts            Options
		signal, timeout int
		bad             string
	}{
		{Options{}, 3, 10, ""},
		{Options{StopSignal: "INT", StopTimeout: seconds(0)}, 2, 0, ""},
		{Options{StopTimeout: seconds(-1)}, 3, -1, ""},
		{Options{StopTimeout: seconds(-2)}, 0, 0, "--stop-timeout"},
		{Options{StopSignal: "NO"}, 0, 0, "--stop-signal"},
	} {
		s, err := Build(test.opts, img, testHost())
		checkError(t, test.opts, err, test.bad)
		if test.bad != "" {
			continue
		}
		facts, err := FactsOf(s)
		if err != nil || facts.StopSignal != test.signal || facts.StopTimeout != test.timeout {
			t.Errorf("%+v: %+v, %v", test.opts, facts, err)
		}
	}
}

func TestSystemd(t *testing.T) {
	s, facts := mustBuild(t, Options{Systemd: "always"})
	run, _ := mount(s, "/run")
	groups, _ := mount(s, "/sys/fs/cgroup")
	if run.Type != "tmpfs" || groups.Options[0] != "rw" || facts.StopSignal != 37 || !facts.Systemd {
		t.Errorf("/run %+v, cgroup %+v, facts %+v", run, groups, facts)
	}
}

func TestLabels(t *testing.T) {
	img := shellImage()
	img.Labels = map[string]string{"a": "image", "b": "image"}
	s, err := Build(Options{Labels: []string{"b=flag", "c", "d=x=y"}, Annotations: []string{"k=v"}}, img, testHost())
	if err != nil {
		t.Fatal(err)
	}
	facts, err := FactsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"a": "image", "b": "flag", "c": "", "d": "x=y"} {
		if got, ok := facts.Labels[k]; !ok || got != want {
			t.Errorf("label %s is %q, want %q", k, got, want)
		}
	}
	if s.Annotations["k"] != "v" || img.Labels["b"] != "image" {
		t.Errorf("annotations %v, the image's labels %v", s.Annotations, img.Labels)
	}
	for _, opts := range []Options{{Labels: []string{"=x"}}, {Labels: []string{""}}, {LabelFiles: []string{"/missing"}},
		{Annotations: []string{factsAnnotation + "=x"}}} {
		if _, err := Build(opts, img, testHost()); err == nil {
			t.Errorf("%+v: no error", opts)
		}
	}
}

func TestRefuse(t *testing.T) {
	for _, flag := range []string{"--device-cgroup-rule", "--cpu-rt-period", "--cpu-rt-runtime", "--kernel-memory",
		"--memory-swappiness", "--oom-kill-disable", "--isolation"} {
		if err := Refuse(flag); !errors.Is(err, ErrNeedsRoot) || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := Refuse("--memory"); err != nil {
		t.Errorf("--memory: %v", err)
	}
}

func FuzzLimits(f *testing.F) {
	f.Add("20m", "40m", "1.5", "0-3,5")
	f.Add("9223372036854775807", "-1", "1e300", "0-65535")
	f.Fuzz(func(t *testing.T, memory, swap, cpus, set string) {
		r, err := Limits{Memory: memory, MemorySwap: swap, CPUs: cpus, CPUSetCPUs: set}.Resources(4)
		if err != nil || r == nil {
			return
		}
		if m := r.Memory; m != nil && (value(m.Limit) < minMemory || m.Swap != nil && *m.Swap != -1 && *m.Swap < *m.Limit) {
			t.Errorf("%q %q: %+v", memory, swap, m)
		}
		if c := r.CPU; c != nil && c.Quota != nil && (*c.Quota < minCPUQuota || *c.Quota > 4*cpuPeriod || math.Signbit(float64(*c.Quota))) {
			t.Errorf("%q: %+v", cpus, c)
		}
	})
}

func FuzzParseSysctl(f *testing.F) {
	f.Add("net.ipv4.ip_forward=1")
	f.Add("net/ipv4/conf/eth0.5/forwarding=1")
	f.Fuzz(func(t *testing.T, s string) {
		key, _, err := parseSysctl(s)
		if err != nil {
			return
		}
		if file := SysctlFile(key); !filepath.IsLocal(file) || strings.ContainsRune(file, 0) {
			t.Errorf("%q is the file %q", s, file)
		}
	})
}

func FuzzParseUserNS(f *testing.F) {
	f.Add("keep-id:uid=1,gid=2")
	f.Fuzz(func(t *testing.T, s string) {
		if ns, err := parseUserNS(s); err == nil && (ns.UID < -1 || ns.GID < -1) {
			t.Errorf("%q: %+v", s, ns)
		}
	})
}

func TestSystemdByItself(t *testing.T) {
	for _, c := range []struct {
		mode, command string
		want          bool
	}{
		{"", "/sbin/init", true}, {"true", "systemd", true}, {"", "/usr/bin/tail", false},
		{"true", "sh", false}, {"always", "sh", true}, {"false", "/sbin/init", false},
	} {
		if got, err := isSystemd(c.mode, c.command); got != c.want || err != nil {
			t.Errorf("--systemd=%s %s: %v, %v", c.mode, c.command, got, err)
		}
	}
	if _, err := isSystemd("maybe", "sh"); err == nil {
		t.Error("--systemd=maybe was accepted")
	}
}
