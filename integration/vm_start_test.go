package integration

import (
	"fmt"
	"testing"
	"time"
)

// longPatience is for an emulated machine that does many things at once.
const longPatience = 15 * time.Minute

// calmLogin is login on a machine that may be too busy to answer in time.
func calmLogin(t *testing.T, user string) *Login {
	t.Helper()
	for end := time.Now().Add(longPatience); ; {
		l, err := virtual(t).Login(user)
		if err == nil {
			t.Cleanup(func() { l.Close() })
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// await returns when a condition of the shell holds. It does not say how long
// that takes: the machine may be emulated. If it never does, what the other
// command prints is in the failure.
func (l *Login) await(t *testing.T, condition, explain string) {
	t.Helper()
	for end := time.Now().Add(longPatience); time.Now().Before(end); {
		if l.Run(t, condition+" && exit 0; sleep 0.3; exit 1").Code == 0 {
			return
		}
	}
	t.Fatalf("it never holds: %s\n%s", condition, l.Run(t, explain))
}

const userState = "systemctl --user show -P ActiveState "

// startsWhenTold starts the unit of a Quadlet file whose container gets ready
// by the file /up: before that, systemd takes it for starting.
func (l *Login) startsWhenTold(t *testing.T, name, text string) {
	t.Helper()
	l.OK(t, "mkdir -p q && cat > q/"+name+".container << 'END'\n"+text+"[Service]\nTimeoutStartSec=infinity\nEND\nrl systemd install q/"+name+".container")
	t.Cleanup(func() { l.OK(t, "rl systemd remove "+name+"; rm -r q") })
	l.OK(t, "systemctl --user start --no-block "+name)
	l.await(t, "rl exec systemd-"+name+" true", "systemctl --user status "+name)
	if got := l.OK(t, userState+name); got != "activating" {
		t.Errorf("before it is ready, the unit is %s", got)
	}
	l.OK(t, "rl exec systemd-"+name+" touch /up")
	l.await(t, "systemctl --user -q is-active "+name, "systemctl --user status "+name)
	l.OK(t, "systemctl --user stop "+name)
}

func TestVMContainerSaysThatItIsReady(t *testing.T) {
	l := testerLogin(t)
	l.startsWhenTold(t, "tells", "[Container]\nImage="+Image+"\nNotify=true\nVolume=/usr/local/bin/notifier:/notifier:ro\n"+
		`Exec=sh -c "until [ -e /up ]; do sleep 0.1; done; exec /notifier"`+"\n")
	l.await(t, "journalctl --user -q -o cat -u tells | grep -q '^told$'", "journalctl --user -u tells")
}

func TestVMReadyWhenHealthy(t *testing.T) {
	testerLogin(t).startsWhenTold(t, "heals", "[Container]\nImage="+Image+"\nNotify=healthy\nHealthCmd=test -e /up\n"+
		"HealthInterval=200ms\nHealthStartPeriod=1h\nHealthStartupInterval=200ms\n"+
		`Exec=sh -c "trap 'exit 0' TERM; sleep 100000 & wait"`+"\n")
}

// onBoot is something that starts by itself after a reboot: what is done
// before, what is found after, and what removes it.
type onBoot struct {
	name, user            string
	prepare, check, clean func(t *testing.T, l *Login)
}

// What is enabled starts by itself when the machine does: services of real
// root, services that need others, and many at once.
func TestVMBootStartsServices(t *testing.T) {
	vm := virtual(t)
	all := []onBoot{manyServices(50), orderedServices(), rootService()}
	login(t, "root").OK(t, "loginctl enable-linger tester")
	t.Cleanup(func() {
		root := login(t, "root")
		checkEmpty(t, root)
		checkEmpty(t, login(t, "tester"))
		root.OK(t, "loginctl disable-linger tester")
	})
	for _, b := range all {
		b.prepare(t, login(t, b.user))
		t.Cleanup(func() { b.clean(t, login(t, b.user)) })
	}
	login(t, "root").OK(t, "sync")
	showConsole(t, vm)
	if err := vm.Reboot(); err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) { b.check(t, calmLogin(t, b.user)) })
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
			l.await(t, "journalctl -q -b -o cat -u atboot | grep -q '^said by root$'", "journalctl -b -u atboot")
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

// manyServices are instances of one template. They have no network: the
// machine is a small one.
func manyServices(n int) onBoot {
	const file = "[Container]\nImage=" + Image + "\nNetwork=none\n" + `Exec=sh -c "trap 'exit 0' TERM; sleep 100000 & wait"` +
		"\n[Service]\nTimeoutStartSec=infinity\nTimeoutStopSec=infinity\n[Install]\nWantedBy=default.target\n"
	const active = "systemctl --user list-units --plain --no-legend --state=active 'many@*.service' | wc -l"
	names := fmt.Sprintf("$(seq -f many@%%.0f.service %d)", n)
	return onBoot{fmt.Sprint(n, " services"), "tester",
		func(t *testing.T, l *Login) {
			l.OK(t, "mkdir -p many && cat > many/many@.container << 'END'\n"+file+"END\nrl systemd install many/many@.container")
			l.OK(t, "systemctl --user enable -q "+names)
		},
		func(t *testing.T, l *Login) {
			l.await(t, fmt.Sprintf("[ $(%s) = %d ]", active, n), "systemctl --user list-units 'many@*.service'; free -m")
			if got := l.OK(t, "rl ps --format '{{.Names}}' | grep -c '^systemd-many_'"); got != fmt.Sprint(n) {
				t.Errorf("%s containers run", got)
			}
		},
		func(t *testing.T, l *Login) {
			l.OK(t, "systemctl --user disable -q "+names+"; systemctl --user stop --no-block 'many@*.service'")
			l.await(t, "[ $(rl ps -aq --filter name=systemd-many_ | wc -l) = 0 ]", "systemctl --user list-units 'many@*.service'")
			l.OK(t, "rl systemd remove many@; rm -r many")
		},
	}
}
