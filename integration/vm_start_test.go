package integration

import (
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
