package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// forbidVar makes the test program set a sysctl of its own user namespace to 0 and print a report.
const forbidVar = "RL_TEST_FORBID"

func TestMain(m *testing.M) {
	if name := os.Getenv(forbidVar); name != "" {
		if err := printReport(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func printReport(sysctl string) error {
	file := "/proc/sys/" + strings.ReplaceAll(sysctl, ".", "/")
	if err := os.WriteFile(file, []byte("0"), 0); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(Run(context.Background(), "/bin/rl"))
}

// needUserNamespaces skips where the attempts below cannot work at all.
func needUserNamespaces(t *testing.T) *machine {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	m := thisMachine("/bin/rl")
	if err := m.try(unix.CLONE_NEWNS, nil); err != nil {
		t.Skipf("user namespaces do not work here: %v", err)
	}
	return m
}

func TestAttemptsOnThisMachine(t *testing.T) {
	m := needUserNamespaces(t)
	if err := m.try(unix.CLONE_NEWNS, mountable("tmpfs", "size=4096")); err != nil {
		t.Errorf("tmpfs: %v", err)
	}
	err := m.try(unix.CLONE_NEWNS, mountable("no-such-file-system"))
	if !failedAt(err, "open no-such-file-system") || reason(err) != unix.ENODEV.Error() {
		t.Errorf("a file system that does not exist: %v", err)
	}
	err = m.talk(unix.CLONE_NEWNET, unix.NETLINK_ROUTE, newLink("no-such-link"))
	if err != unix.EOPNOTSUPP {
		t.Errorf("an interface of a kind that does not exist: %v, want EOPNOTSUPP", err)
	}
	// A name that is taken: the kernel knows the kind, and refuses all the same.
	if err := m.talk(unix.CLONE_NEWNET, unix.NETLINK_ROUTE, rename("lo")); err != unix.EEXIST {
		t.Errorf("an interface whose name is taken: %v, want EEXIST", err)
	}
}

// failedAt is whether an attempt failed at the step of that name, rather than before it.
func failedAt(err error, step string) bool {
	var failed *fork.StepError
	return errors.As(err, &failed) && failed.Step == step
}

// rename is newLink for a bridge with another name.
func rename(name string) []byte {
	return []byte(strings.Replace(string(newLink("bridge")), "rl0", name+strings.Repeat("\x00", 3-len(name)), 1))
}

// Real refusals of the kernel, each in a user namespace whose own limit is set to 0.
func TestLimitsOfZeroAreNamed(t *testing.T) {
	needUserNamespaces(t)
	for sysctl, name := range map[string]string{
		"user.max_user_namespaces": "user namespaces",
		"user.max_net_namespaces":  "net namespaces",
		"user.max_pid_namespaces":  "pid namespaces",
	} {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), forbidVar+"="+sysctl)
		child.Stderr = os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE},
		}
		out, err := child.Output()
		if err != nil {
			t.Fatalf("%s: %v", sysctl, err)
		}
		var r Report
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%s: %v", sysctl, err)
		}
		i := item(r, name)
		if i.Status != Missing || !strings.Contains(i.Found, sysctl+" = 0") || !strings.Contains(r.Script, sysctl+" = 15000") {
			t.Errorf("%s: %+v\n%s", sysctl, i, r.Script)
		}
	}
}

func TestRunLeavesNothingBehind(t *testing.T) {
	m := needUserNamespaces(t)
	r := Run(context.Background(), "/bin/rl")
	for _, i := range r.Items {
		if i.Group == "" || i.Name == "" || i.Found == "" || (i.Status == OK) != (i.Cost == "") {
			t.Errorf("%+v", i)
		}
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
	entries, err := os.ReadDir(m.place())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trialPrefix) {
			t.Errorf("%s is left", e.Name())
		}
	}
}
