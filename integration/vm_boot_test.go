package integration

import (
	"strings"
	"sync"
	"testing"
)

// importDebian gives tester, once, the image of a Debian with systemd.
var importDebian = sync.OnceValues(func() (string, error) {
	vm, err := sharedVM()
	if err != nil {
		return "", err
	}
	if said, err := vm.do("root", "chmod 644 /dev/vdc"); err != nil || said != "" {
		return said, err
	}
	return vm.do("tester", `rl import -c 'CMD ["/sbin/init"]' - debian < /dev/vdc && sync`)
})

// do runs a command in a session of its own and returns what it complains of.
func (vm *VM) do(user, command string) (said string, err error) {
	l, err := vm.Login(user)
	if err != nil {
		return "", err
	}
	defer l.Close()
	r, err := l.Do(command)
	return r.Err, err
}

func debian(t *testing.T) {
	t.Helper()
	virtual(t)
	if said, err := importDebian(); err != nil || said != "" {
		t.Fatal(said, err)
	}
}

// booted waits until the system in a container has started all there is to start.
const booted = `for i in $(seq 300); do s=$(rl exec deb systemctl is-system-running 2> /dev/null); [ "$s" = running ] && break; sleep 0.3; done; echo $s`

func TestVMDebianBoots(t *testing.T) {
	debian(t)
	l := testerLogin(t)
	l.OK(t, "rl run -dt --name deb --memory 200m debian")
	if got := l.OK(t, booted); got != "running" {
		t.Errorf("the system is %q\n%s", got, l.OK(t, "rl logs deb; rl exec deb systemctl --failed --no-pager"))
	}
	if got := l.OK(t, "rl exec deb systemctl is-active multi-user.target; rl exec deb systemd-detect-virt --container; true"); !strings.HasPrefix(got, "active\n") {
		t.Errorf("multi-user.target is %q", got)
	}
	if got := l.OK(t, "rl logs deb"); !strings.Contains(got, "multi-user.target") {
		t.Errorf("the console says %q", got)
	}
	// A service of its own, with a limit that its systemd sets.
	if got := l.OK(t, `rl exec deb systemd-run -q --wait --pipe -p MemoryMax=10M cat /proc/self/cgroup /sys/fs/cgroup/memory.max`); !strings.Contains(got, "/system.slice/run-") {
		t.Errorf("a service in it has %q", got)
	}
	if got := l.OK(t, "until [ -e attached ]; do rl exec deb sh -c 'echo from inside > /dev/console'; sleep 0.5; done & "+
		"timeout 60 rl attach --no-stdin --sig-proxy=false deb | grep -m1 'from inside'; touch attached; wait; rm attached"); !strings.Contains(got, "from inside") {
		t.Errorf("attached, one reads %q", got)
	}
	l.OK(t, "rl stop -t 60 deb")
	if got := l.OK(t, "rl inspect -f '{{.State.Status}} {{.State.ExitCode}}' deb; rl logs --tail 3 deb"); !strings.HasPrefix(got, "exited 0") || !strings.Contains(got, "Exiting container.") {
		t.Errorf("it did not shut down: %q", got)
	}
	// Again, from what the first life has written.
	l.OK(t, "rl start deb")
	if got := l.OK(t, booted+"; rl stop -t 60 deb"); !strings.HasPrefix(got, "running") {
		t.Errorf("the second time the system is %q", got)
	}
}

// A connection starts the container, whose command takes the socket over.
func TestVMSocketActivation(t *testing.T) {
	debian(t)
	l := testerLogin(t)
	l.OK(t, `mkdir -p q ~/.config/systemd/user && cd q &&
printf '[Socket]\nListenStream=127.0.0.1:8022\n[Install]\nWantedBy=sockets.target\n' > ~/.config/systemd/user/proxy.socket &&
printf '[Container]\nImage=debian\nNetwork=host\nExec=/lib/systemd/systemd-socket-proxyd 127.0.0.1:22\n' > proxy.container &&
rl systemd install proxy.container && systemctl --user start proxy.socket`)
	defer l.OK(t, "systemctl --user stop proxy.socket; rl systemd remove proxy; rm -r q ~/.config/systemd/user/proxy.socket; systemctl --user daemon-reload")
	if got := l.OK(t, "systemctl --user is-active proxy.service; rl ps -q"); got != "inactive" {
		t.Errorf("before the connection: %q", got)
	}
	for range 2 {
		if got := l.OK(t, `exec 5<> /dev/tcp/127.0.0.1/8022; timeout 60 head -n 1 <&5`); !strings.HasPrefix(got, "SSH-2.0") {
			t.Errorf("the container answers %q\n%s", got, l.OK(t, "journalctl --user -n 30 --no-pager"))
		}
	}
	if got := l.OK(t, "for i in $(seq 300); do systemctl --user -q is-active proxy && break; sleep 0.2; done; systemctl --user is-active proxy; rl ps --format '{{.Names}}'"); got != "active\nsystemd-proxy" {
		t.Errorf("after the connection: %q", got)
	}
}
