package integration

import (
	"strings"
	"testing"
	"time"
)

// onBoot is something that a start of the machine is to find: what is done
// before, what is seen after, and what removes it.
type onBoot struct {
	name, user            string
	prepare, check, clean func(t *testing.T, l *Login)
}

// Nothing of it survives but what is on disk: what is enabled starts by itself,
// what was stopped stays so, and records of what ran are right. Each kind of
// start happens once, for all there is to be seen after it.
func TestVMStartsAgain(t *testing.T) {
	vm := virtual(t)
	login(t, "root").OK(t, "loginctl enable-linger tester")
	t.Cleanup(func() {
		root := login(t, "root")
		checkEmpty(t, root)
		checkEmpty(t, login(t, "tester"))
		root.OK(t, "loginctl disable-linger tester")
	})
	// Podman's are fewer: each takes the emulated machine seconds.
	const many, some = 50, 10
	var ours, podmans map[int]start
	kept := keptServices(t)
	t.Run("reboot", func(t *testing.T) {
		startAgain(t, vm.Reboot, manyServices(many, &ours), orderedServices(), rootService(), kept, endedContainers())
	})
	t.Run("power cut", func(t *testing.T) {
		startAgain(t, vm.CutPower, podmanServices(some, &podmans), kept, unwrittenContainers())
	})
	t.Logf("%d services were all up %.1f s after the first of them began; the first %d of them %.1f s, and as many of podman %.1f s",
		many, took(ours, many), some, took(ours, some), took(podmans, some))
}

// startAgain starts the machine again between what is done and what is seen.
func startAgain(t *testing.T, again func() error, all ...onBoot) {
	t.Helper()
	for _, b := range all {
		t.Cleanup(func() { b.clean(t, login(t, b.user)) })
		b.prepare(t, login(t, b.user))
	}
	showConsole(t, virtual(t))
	if err := again(); err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			l := calmLogin(t, b.user)
			l.started(t)
			b.check(t, l)
		})
	}
}

// started waits until systemd has started all that is enabled. It is not asked
// time and again, which would slow down what is measured.
func (l *Login) started(t *testing.T) {
	t.Helper()
	const wait = "timeout 60 systemctl $([ $UID = 0 ] || echo --user) is-system-running --wait"
	for end := time.Now().Add(longPatience); time.Now().Before(end); {
		if r := l.Run(t, wait); r.Out == "running\n" || r.Out == "degraded\n" {
			return
		}
	}
	t.Fatal("systemd is still starting services: ", l.Run(t, "systemctl --user list-jobs; systemctl list-jobs; free -m"))
}

func nothing(*testing.T, *Login) {}

// keptServices are units with restart policies, of which a person has stopped
// the first and the last. They are there until the test ends.
func keptServices(t *testing.T) onBoot {
	l := login(t, "tester")
	t.Cleanup(func() {
		login(t, "tester").OK(t, "rl systemd remove first second third; rl rm -f first second third")
	})
	for name, policy := range map[string]string{"first": "always", "second": "unless-stopped", "third": "unless-stopped"} {
		l.OK(t, "rl create --name "+name+" --restart "+policy+" --network none "+Image+sleeper+" && rl systemd install --enable --now "+name)
	}
	l.OK(t, "rl stop first third; sync")
	check := func(t *testing.T, l *Login) {
		if got := l.OK(t, "rl inspect -f '{{.Name}} {{.State.Status}}' first second third"); got != "/first running\n/second running\n/third exited" {
			t.Errorf("there are %q\n%s", got, l.OK(t, "systemctl --user status first second third --no-pager; true"))
		}
	}
	return onBoot{"restart policies", "tester", nothing, check, nothing}
}

// endedContainers have no unit: one runs when the machine is rebooted.
func endedContainers() onBoot {
	return onBoot{"ended containers", "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "rl run -d --name ended-running "+Image+sleeper+"; rl run --name ended-done --network none "+Image+" sh -c 'exit 3'; true")
		},
		func(t *testing.T, l *Login) {
			got := l.OK(t, "rl ps -a --filter name=ended- --format '{{.Names}} {{.Status}}' | sort")
			lines := strings.Split(got, "\n")
			if len(lines) != 2 || !strings.HasPrefix(lines[0], "ended-done Exited (3)") || !strings.HasPrefix(lines[1], "ended-running Exited") {
				t.Errorf("ps says:\n%s", got)
			}
			l.OK(t, "rl start ended-running && rl exec ended-running true")
		},
		func(t *testing.T, l *Login) { l.OK(t, "rl rm -f ended-running ended-done") },
	}
}

// unwrittenContainers have no unit, and the last one is not on disk when the
// power goes. They have to be the last that is prepared.
func unwrittenContainers() onBoot {
	return onBoot{"unwritten containers", "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "rl run -d --name cut-written "+Image+sleeper+"; sync; rl run -d --name cut-unwritten "+Image+sleeper)
		},
		func(t *testing.T, l *Login) {
			got := l.OK(t, "rl ps -a --filter name=cut- --format '{{.Names}} {{.Status}}'")
			if !strings.Contains(got, "cut-written Exited") || strings.Contains(got, " Up ") {
				t.Errorf("ps says:\n%s", got)
			}
			if got := l.OK(t, "rl start cut-written && rl exec cut-written echo whole"); !strings.HasSuffix(got, "whole") {
				t.Errorf("the container says %q", got)
			}
		},
		func(t *testing.T, l *Login) { l.OK(t, "rl ps -aq --filter name=cut- | xargs rl rm -f") },
	}
}

func rootService() onBoot {
	return onBoot{"real root", "root",
		func(t *testing.T, l *Login) {
			l.OK(t, `rl import -c 'CMD ["/bin/sh"]' /srv/rootfs.tar `+Image)
			l.OK(t, "rl create --name atboot --restart always "+Image+` sh -c 'echo said by root; trap "exit 0" TERM; sleep 100000 & wait'`)
			l.OK(t, "rl systemd install --enable atboot")
		},
		func(t *testing.T, l *Login) {
			l.await(t, "systemctl -q is-active atboot", "systemctl status atboot")
			l.OK(t, "rl exec atboot true")
			l.await(t, "journalctl -q -b -o cat -u atboot CONTAINER_NAME=atboot | grep -q '^said by root$'", "journalctl -b -u atboot")
			l.OK(t, "systemctl stop atboot")
			if got := l.OK(t, "rl inspect -f '{{.State.Status}}' atboot"); got != "exited" {
				t.Errorf("after systemctl stop the container is %s", got)
			}
		},
		func(t *testing.T, l *Login) {
			l.OK(t, "rl systemd remove atboot; rl rm -f atboot")
		},
	}
}

// orderedServices are two: one needs the other, which is ready when it is
// healthy.
func orderedServices() onBoot {
	const db = "[Container]\nImage=" + Image + "\nNotify=healthy\nHealthCmd=test -e /up\nHealthInterval=200ms\n" +
		"HealthStartPeriod=1h\nHealthStartupInterval=200ms\n" +
		`Exec=sh -c "trap 'exit 0' TERM; sleep 3; touch /up; sleep 100000 & wait"` + "\n"
	const web = "[Unit]\nRequires=db.container\nAfter=db.container\n[Container]\nImage=" + Image + "\n" +
		`Exec=sh -c "trap 'exit 0' TERM; sleep 100000 & wait"` + "\n"
	const rest = "[Service]\nTimeoutStartSec=infinity\n[Install]\nWantedBy=default.target\n"
	const status = "systemctl --user status db web"
	return onBoot{"in order", "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "mkdir -p ordered && cat > ordered/db.container << 'END'\n"+db+rest+"END\ncat > ordered/web.container << 'END'\n"+web+rest+
				"END\nrl systemd install --enable ordered/web.container ordered/db.container")
		},
		func(t *testing.T, l *Login) {
			l.await(t, "systemctl --user -q is-active web", status)
			const times = "ready=$(systemctl --user show -P ActiveEnterTimestampMonotonic db); begun=$(systemctl --user show -P ExecMainStartTimestampMonotonic web); " +
				"echo ready at $ready, begun at $begun; [ $ready -gt 0 ] && [ $ready -le $begun ]"
			if r := l.Run(t, times); r.Code != 0 {
				t.Errorf("%s\n%s", r, l.Run(t, status))
			}
		},
		func(t *testing.T, l *Login) { l.OK(t, "rl systemd remove web db; rm -r ordered") },
	}
}
