package integration

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// sharedVM is started by the first test that needs it and ends with the process.
var sharedVM = sync.OnceValues(func() (*VM, error) {
	vm, err := StartVM()
	if err != nil {
		return nil, err
	}
	return vm, vm.install()
})

// install gives the user tester the image that the tests run.
func (vm *VM) install() error {
	l, err := vm.Login("tester")
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Do(`rl import -c 'CMD ["/bin/sh"]' /srv/rootfs.tar ` + Image)
	if err == nil && r.Code != 0 {
		return errors.New(r.String())
	}
	return err
}

// virtual returns the machine, or ends the test. The tests that use it are
// named TestVM and selected by `make test-vm`.
func virtual(t *testing.T) *VM {
	t.Helper()
	if os.Getenv("RL_VM") != "1" {
		t.Skip("only in a virtual machine: make test-vm")
	}
	Need(t, VirtualMachines)
	vm, err := sharedVM()
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// showConsole prints, with a failed test, what the console said since now.
func showConsole(t *testing.T, vm *VM) {
	t.Helper()
	before := len(vm.Console())
	t.Cleanup(func() {
		if t.Failed() || testing.Verbose() {
			t.Log("console:\n" + vm.Console()[before:])
		}
	})
}

// login opens a session that ends with the test.
func login(t *testing.T, user string) *Login {
	t.Helper()
	l, err := virtual(t).Login(user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// testerLogin is a session of tester, who has no container at its end, nor
// anything that was made for one.
func testerLogin(t *testing.T) *Login {
	t.Helper()
	l := login(t, "tester")
	t.Cleanup(func() { checkEmpty(t, l) })
	return l
}

// checkEmpty removes all containers of tester. A scope is systemd's to remove,
// which it does after its last process; the wait for that is bounded.
func checkEmpty(t *testing.T, l *Login) {
	t.Helper()
	l.OK(t, "rl ps -aq | xargs -r rl rm -f")
	left := l.OK(t, groupsGone)
	if left != "" {
		t.Errorf("control groups are left:\n%s", left)
	}
	if left := l.OK(t, "ls ~/.local/share/rl/containers /var/lib/rl/containers 2> /dev/null | grep -E '^[0-9a-f]{64}$'; true"); left != "" {
		t.Errorf("containers are left on disk:\n%s", left)
	}
}

// groupsGone prints the container groups that are still there after ten seconds.
const groupsGone = `for i in $(seq 300); do
	left=$(find /sys/fs/cgroup -regextype egrep -regex '.*/rl-(lent-[^/]*|[0-9a-f]{12})(\.scope)?')
	[ -n "$left" ] || break
	sleep 0.2
done; echo -n "$left"`

// sleeper is a container's command that does nothing, and ends when asked.
const sleeper = ` sh -c 'trap "exit 0" TERM; sleep 1000 & wait'`

// pidOf is the container's first process, as the machine counts.
func (l *Login) pidOf(t *testing.T, name string) string {
	t.Helper()
	return l.OK(t, "rl inspect -f '{{.State.Pid}}' "+name)
}

// groupOf is the control group of a process.
func (l *Login) groupOf(t *testing.T, pid string) string {
	t.Helper()
	return strings.TrimPrefix(l.OK(t, "cat /proc/"+pid+"/cgroup"), "0::")
}
