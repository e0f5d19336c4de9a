package integration

import (
	"strings"
	"testing"
)

// A container started in a delegated unit stays in it and ends with it.
func TestVMDelegatedUnit(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "systemd-run --user -q -p Type=oneshot -p RemainAfterExit=yes -p Delegate=yes --unit=inside "+
		"rl run -d --name inside --network none --memory 20m "+Image+sleeper)
	pid := l.pidOf(t, "inside")
	group := l.groupOf(t, pid)
	unit, name, _ := strings.Cut(group, "/inside.service/")
	if !strings.HasSuffix(unit, "/app.slice") || !strings.HasPrefix(name, "rl-") {
		t.Errorf("the container is in %s", group)
	}
	if got := l.OK(t, "cat /sys/fs/cgroup"+group+"/memory.max"); got != "20971520" {
		t.Errorf("memory.max is %s", got)
	}
	if got := l.OK(t, "systemctl --user show -P ControlGroup inside.service; cat /sys/fs/cgroup$(systemctl --user show -P ControlGroup inside.service)/supervisor/cgroup.procs | wc -l"); strings.HasSuffix(got, "\n0") {
		t.Errorf("the monitor left the unit: %s", got)
	}
	l.OK(t, "systemctl --user stop inside.service")
	l.ended(t, "inside")
}

// A container started in a unit that is not delegated gets a scope, for its
// limits, which ends with the unit all the same.
func TestVMOrdinaryUnit(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "systemd-run --user -q -p Type=oneshot -p RemainAfterExit=yes --unit=beside "+
		"rl run -d --name beside --network none --memory 20m "+Image+sleeper)
	group := l.groupOf(t, l.pidOf(t, "beside"))
	if !strings.HasSuffix(group, ".scope/container") {
		t.Errorf("the container is in %s", group)
	}
	l.OK(t, "systemctl --user stop beside.service")
	l.ended(t, "beside")
}

// A service of the machine that runs as the user has no session and no
// variables of one.
func TestVMSystemService(t *testing.T) {
	l, root := testerLogin(t), login(t, "root")
	root.OK(t, "systemd-run -q -p User=tester -p Type=oneshot -p RemainAfterExit=yes -p Delegate=yes --unit=system "+
		"rl run -d --name system --network none --memory 20m "+Image+sleeper)
	group := l.groupOf(t, l.pidOf(t, "system"))
	if !strings.HasPrefix(group, "/system.slice/system.service/rl-") {
		t.Errorf("the container is in %s", group)
	}
	root.OK(t, "systemctl stop system.service")
	l.ended(t, "system")
}

// ended fails the test unless the container has ended.
func (l *Login) ended(t *testing.T, name string) {
	t.Helper()
	if got := l.OK(t, "rl wait "+name+" > /dev/null; rl inspect -f '{{.State.Running}} {{.State.Status}}' "+name); got != "false exited" {
		t.Errorf("container %s is %q", name, got)
	}
}
