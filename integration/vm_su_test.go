package integration

import "testing"

// becoming are ways of root to run a script as tester.
var becoming = []string{"su - tester -c", "su tester -c", "sudo -u tester sh -c", "sudo -i -u tester sh -c"}

// as runs a script of root's making as tester, by one of becoming.
func (l *Login) as(t *testing.T, how, script string) Result {
	t.Helper()
	return l.Run(t, "cat > /tmp/script << 'END'\n"+script+"\nEND\ncd / && "+how+" 'sh /tmp/script'")
}

// In a session that su or sudo began, while its owner has no other, there is no
// systemd of the user's, no bus and no XDG_RUNTIME_DIR. What needs none of them
// works; the rest says what is missing and where to have it.
func TestVMSessionBySu(t *testing.T) {
	root := login(t, "root")
	root.await(t, "[ $(systemctl is-active user@1000.service) = inactive ] && [ ! -e /run/user/1000 ]", "loginctl list-sessions; systemctl status user@1000.service")
	t.Cleanup(func() { root.OK(t, "pkill -9 -u tester; rm -rf /tmp/rl-1000 /tmp/script") })
	for _, how := range becoming {
		t.Run(how, func(t *testing.T) {
			if got := root.as(t, how, "rl run --rm --network none "+Image+" echo works").OK(t); got != "works" {
				t.Errorf("the container says %q", got)
			}
			root.as(t, how, "rl run --rm --network none --pids-limit 20 "+Image+" true").Exits(t, 125).
				Says(t, "--pids-limit", "the user's systemd does not answer", "log in by ssh", "loginctl enable-linger")
			root.as(t, how, "rl systemd install --enable run --name never "+Image+" true").Exits(t, 125).
				Says(t, "XDG_RUNTIME_DIR is not set", "log in by ssh", "machinectl shell tester@")
			if got := root.as(t, how, "rl ps -aq; ls ~/.config/systemd/user 2> /dev/null | grep never; true").OK(t); got != "" {
				t.Errorf("it left %q", got)
			}
		})
	}
}

// Where the owner has another session, or lingers, systemd is found from there.
func TestVMSessionBySuBesideAnother(t *testing.T) {
	l, root := testerLogin(t), login(t, "root")
	t.Cleanup(func() { root.OK(t, "rm -f /tmp/script") })
	// It may be on its way out with the owner's session before, and come again.
	l.await(t, "systemctl --user -q is-active default.target", "systemctl --user status")
	for _, how := range becoming {
		t.Run(how, func(t *testing.T) {
			root.as(t, how, "rl systemd install --now run --name beside "+Image+sleeper).OK(t)
			if got := l.OK(t, "systemctl --user is-active beside; rl ps --format '{{.Names}}'"); got != "active\nbeside" {
				t.Errorf("the owner sees %q", got)
			}
			if got := root.as(t, how, "rl exec beside echo works").OK(t); got != "works" {
				t.Errorf("the container says %q", got)
			}
			l.OK(t, "rl systemd remove beside && rl rm -f beside")
		})
	}
}

// Without a bus, systemd itself is asked.
func TestVMWithoutBus(t *testing.T) {
	l := testerLogin(t)
	l.OK(t, "systemctl --user stop dbus.socket dbus.service")
	t.Cleanup(func() { l.OK(t, "systemctl --user start dbus.socket") })
	l.serviceOf(t, "busless", "--memory 20m")
	if got := l.OK(t, "systemctl --user is-active busless; rl exec busless cat /sys/fs/cgroup/memory.max"); got != "active\n20971520" {
		t.Errorf("the service is %q", got)
	}
	if got := l.OK(t, "rl run --rm --network none --memory 20m "+Image+" cat /sys/fs/cgroup/memory.max"); got != "20971520" {
		t.Errorf("the limit is %q", got)
	}
}
