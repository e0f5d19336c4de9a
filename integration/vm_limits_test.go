package integration

import (
	"strconv"
	"strings"
	"testing"
)

const eater = `'cat /sys/fs/cgroup/memory.max; tail /dev/zero'`

func TestVMMemoryLimit(t *testing.T) {
	l := testerLogin(t)
	r := l.Run(t, "rl run --name eater --network none --memory 20m --memory-swap 20m "+Image+" sh -c "+eater)
	r.Exits(t, 137)
	if r.Out != "20971520\n" {
		t.Errorf("the container reads memory.max as %q", r.Out)
	}
	if strings.Contains(r.Err, "watches") {
		t.Errorf("the limit is not the kernel's: %s", r.Err)
	}
	if got := l.OK(t, "rl ps -a --format '{{.Status}}'"); !strings.Contains(got, "Exited (137)") || !strings.Contains(got, "OOM killed at 20 MiB") {
		t.Errorf("ps says %q", got)
	}
	if got := l.OK(t, "rl inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}} {{.HostConfig.Memory}}' eater"); got != "true 137 20971520" {
		t.Errorf("inspect says %q", got)
	}
}

// A quota of half a processor is measured by what a loop gets of two.
func TestVMCPUQuota(t *testing.T) {
	l := testerLogin(t)
	out := l.OK(t, "rl run --rm --network none --cpus 0.5 --cpu-shares 512 "+Image+` sh -c '
		for i in 1 2; do while :; do :; done & done
		sed s/^/quota\ / /sys/fs/cgroup/cpu.max; sed s/^/weight\ / /sys/fs/cgroup/cpu.weight
		read -r before rest < /proc/uptime; start=$(sed -n s/usage_usec.//p /sys/fs/cgroup/cpu.stat)
		sleep 4
		read -r after rest < /proc/uptime; end=$(sed -n s/usage_usec.//p /sys/fs/cgroup/cpu.stat)
		echo times $before $after $start $end; grep nr_throttled /sys/fs/cgroup/cpu.stat; kill %1 %2'`)
	values := fields(out)
	if values["quota"] != "50000 100000" || values["weight"] != "59" {
		t.Errorf("the container reads %q", values)
	}
	n := numbers(t, values["times"])
	share := (n[3] - n[2]) / 1e6 / (n[1] - n[0])
	t.Logf("two busy loops got %.2f processors", share)
	throttled := values["nr_throttled"]
	// An emulated machine that is busy looks late whether they have had enough.
	if share > 1 || throttled == "" || throttled == "0" {
		t.Errorf("two busy loops got %.2f processors instead of 0.5 and were held back %q times", share, throttled)
	}
}

// fields reads lines of a name and the rest.
func fields(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = rest
	}
	return values
}

func numbers(t *testing.T, text string) []float64 {
	t.Helper()
	var list []float64
	for field := range strings.FieldsSeq(text) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	if len(list) != 4 {
		t.Fatalf("not four numbers: %q", text)
	}
	return list
}

func TestVMPidsLimit(t *testing.T) {
	l := testerLogin(t)
	r := l.Run(t, "rl run --rm --network none --pids-limit 12 "+Image+` sh -c '
		cat /sys/fs/cgroup/pids.max
		trap "" TERM
		for i in $(seq 30); do sleep 1000 & done'`)
	if !strings.HasPrefix(r.Out, "12\n") {
		t.Errorf("the container reads pids.max as %q", r.Out)
	}
	if r.Code == 0 || !strings.Contains(r.Err, "fork") {
		t.Errorf("thirty processes fit in a limit of twelve: %s", r)
	}
}

// What is not delegated is refused by name, and the file that the message
// names makes it work.
func TestVMRefusesAndSaysHow(t *testing.T) {
	l, root := login(t, "tester"), login(t, "root")
	r := l.Run(t, "rl run --rm --network none --cpuset-cpus 1 --blkio-weight 300 "+Image+" true").Exits(t, 125)
	r.Says(t, "--cpuset-cpus", "--blkio-weight", "cpuset, io", "/etc/systemd/system/user@.service.d/delegate.conf",
		"Delegate=cpu cpuset io memory pids")
	checkEmpty(t, l)
	l.Close()

	const file = "/etc/systemd/system/user@.service.d/delegate.conf"
	root.OK(t, "mkdir -p $(dirname "+file+") && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > "+file+
		" && systemctl daemon-reload && systemctl restart user@1000.service")
	defer root.OK(t, "rm "+file+" && systemctl daemon-reload")
	l = testerLogin(t)
	out := l.OK(t, "rl run --rm --network none --cpuset-cpus 1 --device-read-bps /dev/vda:1mb "+Image+
		" sh -c 'nproc; cat /sys/fs/cgroup/cpuset.cpus.effective /sys/fs/cgroup/io.max'")
	if want := "1\n1\n254:0 rbps=1048576 wbps=max riops=max wiops=max"; out != want {
		t.Errorf("with the file the container reads %q, want %q", out, want)
	}
}

func TestVMScope(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "rl run -d --name busy --network none --memory 50m "+Image+sleeper)
	group := "/sys/fs/cgroup" + l.groupOf(t, l.pidOf(t, "busy"))
	if !strings.HasSuffix(group, ".scope/container") {
		t.Errorf("the container's group is %s", group)
	}
	if got := l.OK(t, "cat "+group+"/memory.max "+group+"/memory.swap.max"); got != "52428800\n52428800" {
		t.Errorf("memory and swap are limited to %q", got)
	}
}

// The unit tests of cgroup2, in a login session and in a delegated unit: each
// runs what the other leaves out.
func TestVMControlGroups(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "cgroup2.test -test.timeout 1m -test.run 'Scope|OOM|Monitor|Missing|Watch' 2>&1")
	l.OK(t, "systemd-run --user --scope -q -p Delegate=yes cgroup2.test -test.timeout 1m -test.run 'Group|Freeze|Remove|Create|Sweep' 2>&1")
}

// Real root's containers belong to another user, who cannot ask systemd.
func TestVMRoot(t *testing.T) {
	root := login(t, "root")
	root.OK(t, `rl import -c 'CMD ["/bin/sh"]' /srv/rootfs.tar `+Image)
	r := root.Run(t, "rl run --name eater --network none --memory 20m --memory-swap 20m --cpus 0.5 "+Image+" sh -c "+eater)
	r.Exits(t, 137)
	if r.Out != "20971520\n" || strings.Contains(r.Err, "watches") {
		t.Errorf("the limit is not the kernel's: %s", r)
	}
	if got := root.OK(t, "rl inspect -f '{{.State.OOMKilled}}' eater"); got != "true" {
		t.Errorf("inspect says %q", got)
	}
	checkEmpty(t, root)
}
