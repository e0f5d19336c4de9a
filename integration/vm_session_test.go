package integration

import (
	"strings"
	"testing"
)

// endSessions ends what is left of tester's sessions after the logout, as
// systemd-logind does by itself where KillUserProcesses=yes.
const endSessions = `loginctl list-sessions --no-legend | awk '$3 == "tester" {print $1}' | xargs -r loginctl terminate-session
for i in $(seq 300); do loginctl list-sessions --no-legend | grep -q tester || break; sleep 0.2; done`

// The user namespace was made by the first session and is needed by others.
func TestVMFirstSessionLogsOut(t *testing.T) {
	first, second := login(t, "tester"), testerLogin(t)
	first.OK(t, "rl run -d --name early "+Image+sleeper)
	first.Close()
	if got := second.OK(t, "rl exec early echo still here"); got != "still here" {
		t.Errorf("exec says %q", got)
	}
	second.OK(t, "rl run -d --name late --memory 20m "+Image+sleeper)
	early := second.OK(t, "readlink /proc/"+second.pidOf(t, "early")+"/ns/user")
	late := second.OK(t, "readlink /proc/"+second.pidOf(t, "late")+"/ns/user")
	if early != late {
		t.Errorf("the sessions have user namespaces of their own: %s and %s", early, late)
	}
}

// userGone returns when the user's systemd has ended: ten seconds after the
// last session.
const userGone = `for i in $(seq 60); do [ $(systemctl is-active user@1000.service) = inactive ] && break; sleep 0.4; done
systemctl is-active user@1000.service`

// Without linger the user's systemd ends what the user runs after the last
// logout. The next login finds that out and can go on.
func TestVMLastSessionLogsOut(t *testing.T) {
	l, root := login(t, "tester"), login(t, "root")
	l.OK(t, "rl run -d --name mortal "+Image+sleeper)
	l.Close()
	if r := root.Run(t, userGone); r.Out != "inactive\n" {
		t.Errorf("something of rl keeps the session open: %s\n%s", r, root.OK(t, "systemd-cgls --no-pager /user.slice/user-1000.slice; journalctl -b --no-pager -o short-monotonic -n 60"))
	}
	l = testerLogin(t)
	if got := l.OK(t, "rl ps -a --format '{{.Names}} {{.Status}}'"); !strings.HasPrefix(got, "mortal Exited") {
		t.Errorf("after the next login: %q", got)
	}
	if got := l.OK(t, "rl run --rm --network none "+Image+" echo new life"); got != "new life" {
		t.Errorf("a new container says %q", got)
	}
	l.OK(t, "rl start mortal && rl exec mortal true")
}

// With linger containers stay when the sessions and their processes end. When
// the holder of the user namespace is killed too, the namespace is found again
// through the container.
func TestVMLinger(t *testing.T) {
	l, root := login(t, "tester"), login(t, "root")
	root.OK(t, "loginctl enable-linger tester")
	defer root.OK(t, "loginctl disable-linger tester")
	l.OK(t, "rl run -d --name lasting --memory 20m "+Image+sleeper)
	pid := l.pidOf(t, "lasting")
	namespace := l.OK(t, "readlink /proc/"+pid+"/ns/user")
	l.Close()
	root.OK(t, endSessions+"; pkill -9 -f ^rl-holder")
	l = testerLogin(t)
	if got := l.pidOf(t, "lasting"); got != pid {
		t.Errorf("process %s became %s", pid, got)
	}
	if got := l.OK(t, "rl exec lasting echo here && rl ps --format '{{.Status}}'"); !strings.HasPrefix(got, "here\nUp ") {
		t.Errorf("after the next login: %q", got)
	}
	l.OK(t, "rl run -d --name next "+Image+sleeper)
	if got := l.OK(t, "readlink /proc/"+l.pidOf(t, "next")+"/ns/user"); got != namespace {
		t.Errorf("the user namespace was %s and is now %s", namespace, got)
	}
}
