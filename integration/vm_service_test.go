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
	l.OK(t, "rl exec web echo to the journal > /dev/null")
	// A crash is systemd's to mend.
	l.OK(t, "kill -9 "+pid+"; for i in $(seq 300); do [ $(systemctl --user show -P NRestarts web) = 1 ] && break; sleep 0.2; done")
	l.OK(t, "for i in $(seq 300); do systemctl --user -q is-active web && break; sleep 0.2; done; rl exec web true")
	if got := l.OK(t, "rl inspect -f '{{.State.Status}} {{.RestartCount}}' web"); got != "running 0" {
		t.Errorf("the container is %q", got)
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

func TestVMServiceFromQuadlet(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, `mkdir -p q && cd q && printf '[Volume]\n' > data.volume &&
printf '[Container]\nImage=`+Image+`\nVolume=data.volume:/data\nExec=sh -c "echo said to the journal; touch /data/file; sleep 1000"\n' > app.container &&
printf '[Container]\nImage=`+Image+`\nExec=sh -c "echo instance %%i; sleep 1000"\n' > job@.container &&
rl systemd install --now app.container data.volume job@.container && systemctl --user start job@one`)
	t.Cleanup(func() {
		l.OK(t, "systemctl --user stop job@one; rl systemd remove app data-volume job@; rl volume rm systemd-data; rm -r q")
	})
	l.OK(t, "for i in $(seq 300); do rl exec systemd-app test -e /data/file && break; sleep 0.2; done; rl exec systemd-app test -e /data/file")
	if got := l.OK(t, "for i in $(seq 300); do journalctl --user -q -o cat -u app | grep said && break; sleep 0.2; done"); got != "said to the journal" {
		t.Errorf("the journal has %q", got)
	}
	if got := l.OK(t, "for i in $(seq 300); do rl logs systemd-job_one | grep instance && break; sleep 0.2; done"); got != "instance one" {
		t.Errorf("the instance says %q", got)
	}
}

// What is enabled starts again after a reboot and a power cut, and one that
// was stopped before stays so.
func TestVMServicesAfterReboot(t *testing.T) {
	vm := virtual(t)
	root, l := login(t, "root"), login(t, "tester")
	root.OK(t, "loginctl enable-linger tester")
	for name, policy := range map[string]string{"first": "always", "second": "unless-stopped", "third": "unless-stopped"} {
		l.OK(t, "rl create --name "+name+" --restart "+policy+" "+Image+sleeper+" && rl systemd install --enable --now "+name)
	}
	l.OK(t, "rl stop third; sync")
	for _, c := range []struct {
		name  string
		again func() error
	}{{"reboot", vm.Reboot}, {"power cut", vm.CutPower}} {
		if err := c.again(); err != nil {
			t.Fatal(err)
		}
		l = login(t, "tester")
		l.OK(t, "for i in $(seq 300); do systemctl --user -q is-active first && systemctl --user -q is-active second && break; sleep 0.2; done")
		if got := l.OK(t, "rl ps --format '{{.Names}}' | sort; rl inspect -f '{{.State.Status}}' third"); got != "first\nsecond\nexited" {
			t.Errorf("after the %s: %q\n%s", c.name, got, l.OK(t, "systemctl --user status first second third --no-pager; true"))
		}
	}
	l.OK(t, "rl systemd remove first second third && rl rm -f first second third")
	login(t, "root").OK(t, "loginctl disable-linger tester")
}

func TestVMNotesWhatEndsAtLogout(t *testing.T) {
	l := testerLogin(t)
	r := l.Run(t, "rl run -d --restart always --name stays "+Image+sleeper)
	if !strings.Contains(r.Err, "loginctl enable-linger") || !strings.Contains(r.Err, "rl systemd install --enable") {
		t.Errorf("it says %q", r.Err)
	}
	l.OK(t, "rl rm -f stays")
}
