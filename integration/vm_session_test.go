package integration

import (
	"strings"
	"testing"
)

// waitLogout returns when the user's last session is over and, without
// linger, the user's systemd with everything below it.
const waitLogout = `for i in $(seq 150); do systemctl -q is-active user@1000.service || break; sleep 0.2; done`

// waitSessions returns when systemd-logind knows of no session of tester.
const waitSessions = `for i in $(seq 100); do loginctl list-sessions --no-legend | grep -q tester || break; sleep 0.2; done`

// The user namespace was made by the first session and is needed by others.
func TestVMFirstSessionLogsOut(t *testing.T) {
	first, second := login(t, "tester"), testerLogin(t)
	first.OK(t, "rl run -d --name early "+Image+" sleep 1000")
	first.Close()
	if got := second.OK(t, "rl exec early echo still here"); got != "still here" {
		t.Errorf("exec says %q", got)
	}
	second.OK(t, "rl run -d --name late --memory 20m "+Image+" sleep 1000")
	early := second.OK(t, "readlink /proc/"+second.pidOf(t, "early")+"/ns/user")
	late := second.OK(t, "readlink /proc/"+second.pidOf(t, "late")+"/ns/user")
	if early != late {
		t.Errorf("the sessions have user namespaces of their own: %s and %s", early, late)
	}
}

// Without linger, systemd ends what the user runs at the last logout. The
// next login finds that out and can go on.
func TestVMLastSessionLogsOut(t *testing.T) {
	l, root := login(t, "tester"), login(t, "root")
	l.OK(t, "rl run -d --name mortal "+Image+" sleep 1000")
	l.Close()
	root.OK(t, waitLogout)
	l = testerLogin(t)
	if got := l.OK(t, "rl ps -a --format '{{.Names}} {{.Status}}'"); !strings.HasPrefix(got, "mortal Exited") {
		t.Errorf("after the next login: %q", got)
	}
	if got := l.OK(t, "rl run --rm --network none "+Image+" echo new life"); got != "new life" {
		t.Errorf("a new container says %q", got)
	}
	l.OK(t, "rl start mortal && rl exec mortal true")
}

// With linger everything stays.
func TestVMLinger(t *testing.T) {
	l, root := login(t, "tester"), login(t, "root")
	l.OK(t, "loginctl enable-linger")
	defer root.OK(t, "loginctl disable-linger tester")
	l.OK(t, "rl run -d --name lasting --memory 20m "+Image+" sleep 1000")
	pid := l.pidOf(t, "lasting")
	l.Close()
	root.OK(t, waitSessions)
	l = testerLogin(t)
	if got := l.pidOf(t, "lasting"); got != pid {
		t.Errorf("process %s became %s", pid, got)
	}
	if got := l.OK(t, "rl exec lasting echo here && rl ps --format '{{.Status}}'"); !strings.HasPrefix(got, "here\nUp ") {
		t.Errorf("after the next login: %q", got)
	}
}

func TestVMReboot(t *testing.T) {
	l := login(t, "tester")
	l.OK(t, "rl run -d --name running "+Image+" sleep 1000; rl run --name done --network none "+Image+" sh -c 'exit 3'; true")
	l.Close()
	if err := virtual(t).Reboot(); err != nil {
		t.Fatal(err)
	}
	l = testerLogin(t)
	got := l.OK(t, "rl ps -a --format '{{.Names}} {{.Status}}' | sort")
	lines := strings.Split(got, "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "done Exited (3)") || !strings.HasPrefix(lines[1], "running Exited") {
		t.Errorf("after the reboot ps says:\n%s", got)
	}
	l.OK(t, "rl start running && rl exec running true")
}

// Nobody is told that the power goes, and files not yet written are lost.
func TestVMPowerCut(t *testing.T) {
	l := login(t, "tester")
	l.OK(t, "rl run -d --name written "+Image+" sleep 1000; sync; rl run -d --name unwritten "+Image+" sleep 1000")
	if err := virtual(t).CutPower(); err != nil {
		t.Fatal(err)
	}
	l = testerLogin(t)
	got := l.OK(t, "rl ps -a --format '{{.Names}} {{.Status}}'")
	if !strings.Contains(got, "written Exited") || strings.Contains(got, " Up ") {
		t.Errorf("after the power cut ps says:\n%s", got)
	}
	if got := l.OK(t, "rl start written && rl exec written echo whole"); !strings.HasSuffix(got, "whole") {
		t.Errorf("the container says %q", got)
	}
}
