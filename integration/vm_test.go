package integration

import (
	"os"
	"sync"
	"testing"
)

// sharedVM is started by the first test that needs it. TestVMOff, the last
// test of this file's name, is not needed: the machine ends with the process.
var sharedVM = sync.OnceValues(StartVM)

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

func TestVMDelegates(t *testing.T) {
	tester := login(t, "tester")
	t.Log(tester.OK(t, "cat /proc/self/cgroup; env | grep -E 'XDG|DBUS'; cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers; uname -r; systemctl --version | head -1; systemd-analyze"))
}
