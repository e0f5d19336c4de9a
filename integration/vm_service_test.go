package integration

import (
	"strings"
	"testing"
)

// serviceOf installs a unit for a new container of tester and starts it.
func (l *Login) serviceOf(t *testing.T, name, flags string) {
	t.Helper()
	l.OK(t, "rl create --name "+name+" "+flags+" "+Image+sleeper)
	l.OK(t, "rl systemd install --enable --now "+name)
	t.Cleanup(func() { l.OK(t, "rl systemd remove "+name+"; rl rm -f "+name) })
}

const unitState = "systemctl --user show -P Result -P ActiveState -P SubState "

func TestVMServiceTellsTheTruth(t *testing.T) {
	l := testerLogin(t)
	l.serviceOf(t, "web", "--restart always --memory 20m")
	if got := l.OK(t, unitState+"web"); got != "success\nactive\nrunning" {
		t.Errorf("the unit is %q", got)
	}
	pid := l.pidOf(t, "web")
	if group := l.groupOf(t, pid); !strings.Contains(group, "/web.service/") {
		t.Errorf("the container is in %s", group)
	}
	if got := l.OK(t, "systemctl --user status web"); !strings.Contains(got, "active (running)") || !strings.Contains(got, `Status: "container `) {
		t.Errorf("systemctl says:\n%s", got)
	}
	// A crash is systemd's to mend.
	l.OK(t, "kill -9 "+pid+"; for i in $(seq 300); do [ $(systemctl --user show -P NRestarts web) = 1 ] && break; sleep 0.2; done")
	l.OK(t, "for i in $(seq 300); do systemctl --user -q is-active web && break; sleep 0.2; done; rl exec web true")
	if got := l.OK(t, "rl inspect -f '{{.State.Status}} {{.RestartCount}}' web"); got != "running 0" {
		t.Errorf("the container is %q", got)
	}
	pid = l.pidOf(t, "web")
	l.OK(t, "systemctl --user restart web && rl exec web true")
	if got := l.pidOf(t, "web"); got == pid {
		t.Errorf("after systemctl restart it is still process %s", pid)
	}
	// A person's stop stays, whoever is asked.
	l.OK(t, "rl stop web")
	if got := l.OK(t, "for i in $(seq 300); do [ $(systemctl --user show -P ActiveState web) = inactive ] && break; sleep 0.2; done; "+unitState+"web"); got != "success\ninactive\ndead" {
		t.Errorf("after rl stop the unit is %q", got)
	}
	l.OK(t, "systemctl --user start web && rl exec web true && systemctl --user stop web")
	if got := l.OK(t, "rl inspect -f '{{.State.Status}}' web"); got != "exited" {
		t.Errorf("after systemctl stop the container is %q", got)
	}
}

// What rl does with units is what systemd sees, and their containers' output
// and end is in the journal under their names.
func TestVMServiceCommands(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "rl systemd install run --name says --network none --stop-signal USR1 "+Image+` sh -c 'trap "echo told to go; exit 0" USR1; echo begun; sleep 1000 & wait'`)
	t.Cleanup(func() { l.OK(t, "rl systemd remove says; rl rm -f says; rl systemd list | grep says; true") })
	const state = "; systemctl --user is-enabled says; systemctl --user is-active says; true"
	for _, c := range [][2]string{
		{"rl systemd list", "says.service\ndisabled\ninactive"},
		{"rl systemd enable --now says", "enabled\nactive"},
		{"rl systemd disable says", "disabled\nactive"},
		{"rl systemd enable says", "enabled\nactive"},
		{"rl systemd disable --now says", "disabled\ninactive"},
		{"rl systemd show says | cmp - ~/.config/systemd/user/says.service", "disabled\ninactive"},
	} {
		if got := l.OK(t, c[0]+state); got != c[1] {
			t.Errorf("after %s: %q", c[0], got)
		}
	}
	l.await(t, "journalctl --user -q -o cat CONTAINER_NAME=says SYSLOG_IDENTIFIER=says | grep -q '^told to go$'", "journalctl --user -u says")
	if got := l.OK(t, "journalctl --user -q -o cat CONTAINER_NAME=says SYSLOG_IDENTIFIER=says | grep -e '^begun$' -e '^told to go$'; rl logs says"); got != "begun\ntold to go\nbegun\ntold to go" {
		t.Errorf("the journal and the log have %q", got)
	}
}

// Without a unit, too, output goes to the journal, where that is asked for.
func TestVMJournald(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "rl run --name keeps --network none --log-driver journald --log-opt tag=mine "+Image+" sh -c 'echo out; echo err >&2' > /dev/null 2>&1")
	const fields = " CONTAINER_NAME=keeps CONTAINER_TAG=mine SYSLOG_IDENTIFIER=mine CONTAINER_ID_FULL=$(rl inspect -f '{{.Id}}' keeps)"
	l.await(t, "[ $(journalctl -q -o cat"+fields+" | wc -l) = 2 ]", "journalctl -q -o verbose -n 30")
	if got := l.OK(t, "journalctl -q -o cat -p 3"+fields+"; rl logs keeps 2> /dev/null"); got != "err\nout" {
		t.Errorf("the journal has %q", got)
	}
}

// One that goes on failing is started again as often as its policy says, and
// as often anew when a person starts it.
func TestVMServiceRetries(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "rl create --name fails --restart on-failure:2 "+Image+" sh -c 'echo life; exit 3'")
	l.OK(t, "rl systemd install fails")
	t.Cleanup(func() { l.OK(t, "rl systemd remove fails; rl rm -f fails") })
	for _, said := range []string{"1", "2"} {
		l.OK(t, "systemctl --user start --no-block fails")
		l.await(t, "[ $(journalctl --user -q -o cat -u fails | grep -c 'on-failure:2 allows no more') = "+said+" ]", "systemctl --user status fails; rl logs fails")
	}
	if got := l.OK(t, "rl logs fails | wc -l; systemctl --user show -P ActiveState fails"); got != "6\ninactive" {
		t.Errorf("it lived and is now: %q", got)
	}
}

// Files bring those that they need: a volume, a network, an image that is there
// and one that is built.
func TestVMServiceFromQuadlet(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, `mkdir -p q && cd q && printf '[Volume]\n' > data.volume && printf '[Network]\n' > inner.network &&
printf '[Image]\nImage=`+Image+`\nPolicy=missing\n' > base.image && printf 'FROM `+Image+`\nRUN echo built > /made\n' > Dockerfile &&
printf '[Unit]\nRequires=base.image\nAfter=base.image\n[Build]\nImageTag=made\nSetWorkingDirectory=unit\n' > made.build &&
printf '[Container]\nImage=made.build\nVolume=data.volume:/data\nNetwork=inner.network\nExec=sh -c "echo said to the journal; cp /made /data/file; sleep 1000"\n' > app.container &&
printf '[Container]\nImage=`+Image+`\nExec=sh -c "echo instance %%i; sleep 1000"\n' > job@.container &&
rl systemd install --now app.container job@.container && systemctl --user start job@one`)
	t.Cleanup(func() {
		l.OK(t, "systemctl --user stop job@one; rl systemd remove app data-volume inner-network made-build base-image job@; rl volume rm systemd-data; rl network rm systemd-inner; rl rmi made; rm -r q")
	})
	l.await(t, "rl exec systemd-app test -s /data/file", "systemctl --user status app")
	if got := l.OK(t, "rl exec systemd-app cat /data/file; rl inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' systemd-app"); got != "built\nsystemd-inner" {
		t.Errorf("the container has %q", got)
	}
	if got := l.OK(t, "systemctl --user is-active app data-volume inner-network made-build base-image; rl systemd list | wc -l"); got != strings.Repeat("active\n", 5)+"6" {
		t.Errorf("the units are %q", got)
	}
	l.await(t, "journalctl --user -q -o cat -u app | grep -q '^said to the journal$'", "journalctl --user -u app")
	l.await(t, "rl logs systemd-job_one | grep -q '^instance one$'", "systemctl --user status job@one")
}

// Whoever wants a container to stay up learns what would end it, and no more
// once that is changed.
func TestVMNotesWhatEndsAtLogout(t *testing.T) {
	l, root := testerLogin(t), login(t, "root")
	const start = "rl run -d --restart always --name stays " + Image + sleeper
	r := l.Run(t, start)
	if !strings.Contains(r.Err, "loginctl enable-linger") || !strings.Contains(r.Err, "rl systemd install --enable") {
		t.Errorf("it says %q", r.Err)
	}
	if got := l.Run(t, "rl check").Out; !strings.Contains(got, "linger is off") || !strings.Contains(got, "loginctl enable-linger tester") {
		t.Errorf("check says:\n%s", got)
	}
	root.OK(t, "loginctl enable-linger tester")
	defer root.OK(t, "loginctl disable-linger tester")
	if r := l.Run(t, "rl rm -f stays && "+start); strings.Contains(r.Err, "linger") || !strings.Contains(r.Err, "rl systemd install --enable") {
		t.Errorf("with linger it says %q", r.Err)
	}
	if got := l.Run(t, "rl check").Out; strings.Contains(got, "linger") || !strings.Contains(got, "containers go on") {
		t.Errorf("with linger check says:\n%s", got)
	}
	l.OK(t, "rl rm -f stays")
}
