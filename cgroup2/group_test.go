package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mountedVar tells the second start of the tests that it is in a mount namespace of its own.
const mountedVar = "CGROUP2_TEST_MOUNTED"

// TestMain plays a role, or runs the tests: as root on a machine with cgroup v1 in a mount namespace
// with a cgroup v2 tree, which there has no controllers but everything else.
func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVar)]; role != nil {
		role()
		return
	}
	if os.Getuid() == 0 && mounted(Root) != Unified && os.Getenv(mountedVar) == "" && !fuzzing() {
		os.Exit(runMounted())
	}
	if os.Getenv(mountedVar) != "" {
		if err := unix.Mount("none", Root, "cgroup2", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mount cgroup2:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// fuzzing reports whether this is a fuzzer or its worker, which talk over
// descriptors that a child would not have.
func fuzzing() bool {
	return slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.fuzz") })
}

func runMounted() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), mountedVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return cmd.ProcessState.ExitCode()
}

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// create makes a group for the running test as root without systemd does.
func create(t *testing.T) *Group {
	t.Helper()
	if Discover(t.Context()).Delegated == "" {
		t.Skip("only where something is delegated: as root, or with systemd-run --user --scope -p Delegate=yes")
	}
	g, err := Create(t.Context(), Options{ID: testID, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clear(context.Background(), g.Path()); err != nil {
			t.Error(err)
		}
		g.Close()
	})
	return g
}

// born starts an actor inside the group.
func born(t *testing.T, g *Group, role string) *actor {
	t.Helper()
	a := play(role)
	a.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.FD()}
	a.start()
	t.Cleanup(func() { a.cmd.Process.Kill(); a.cmd.Wait() })
	return a
}

func TestProcessIsBornInTheGroup(t *testing.T) {
	g := create(t)
	a := born(t, g, "idle")
	if got, err := groupOf(fmt.Sprint(a.cmd.Process.Pid)); err != nil || got != g.Path() {
		t.Errorf("the process is in %q, not in %q (%v)", got, g.Path(), err)
	}
	if list, err := g.Processes(); err != nil || len(list) != 1 || list[0] != a.cmd.Process.Pid {
		t.Errorf("the group has %v (%v)", list, err)
	}
	if s, err := g.Stats(); err != nil || s.CPU == 0 {
		t.Errorf("statistics %+v (%v)", s, err)
	}
}

func TestAddMovesAProcess(t *testing.T) {
	g := create(t)
	a := contain(t, "idle")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if populated, err := g.populated(); err != nil || !populated {
		t.Errorf("populated %v (%v)", populated, err)
	}
	if err := g.Add(0); err == nil {
		t.Error("process 0, which means the caller, was accepted")
	}
}

func TestFreezeAndThaw(t *testing.T) {
	g := create(t)
	a := born(t, g, "idle")
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if frozen, err := g.Frozen(); err != nil || !frozen {
		t.Errorf("frozen %v (%v)", frozen, err)
	}
	if err := g.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.say()
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("after thawing: %v", err)
	}
}

func TestRemoveTakesGroupsOfTheContainerToo(t *testing.T) {
	g := create(t)
	inner := filepath.Join(g.Path(), "inner", "most")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	a := born(t, g, "idle")
	if err := addProcess(inner, a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exists(g.Path()) {
		t.Error("the group is still there")
	}
	if _, err := Open(g.Path()); !errors.Is(err, ErrGone) {
		t.Errorf("Open says %v", err)
	}
	if err := g.Remove(t.Context()); err != nil {
		t.Errorf("the second Remove says %v", err)
	}
}

func TestRemoveGivesUpWithItsContext(t *testing.T) {
	g := create(t)
	born(t, g, "idle")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Remove(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Remove of a live group says %v", err)
	}
}

func TestCreateReplacesWhatWasLeft(t *testing.T) {
	left := create(t)
	a := born(t, left, "idle")
	create(t)
	a.cmd.Wait()
	if s := a.cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		t.Errorf("the process that was left ended with %v", s)
	}
}

func TestSweep(t *testing.T) {
	g := create(t)
	a := born(t, g, "idle")
	if err := Sweep(t.Context(), func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if !exists(g.Path()) {
		t.Fatal("a group with processes was removed")
	}
	a.cmd.Process.Kill()
	a.cmd.Wait()
	if err := Sweep(t.Context(), func(id string) bool { return id == testID[:idLength] }); err != nil {
		t.Fatal(err)
	}
	if !exists(g.Path()) {
		t.Fatal("the group of a live container was removed")
	}
	if err := Sweep(t.Context(), func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if exists(g.Path()) {
		t.Error("the group of a dead container is still there")
	}
}

// Root lends, and a monitor that is somebody else makes the container's group there.
func TestLend(t *testing.T) {
	if os.Getuid() != 0 || locate().delegated != Root {
		t.Skip("only as root without systemd")
	}
	for _, parent := range []string{"", "lent-jobs/night"} {
		t.Run(parent, func(t *testing.T) { lend(t, parent) })
	}
	if exists(filepath.Join(Root, "lent-jobs")) {
		t.Error("the parent of the lent group is still there")
	}
}

func lend(t *testing.T, parent string) {
	const nobody = 65534
	m := play("lent")
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	m.start()
	if err := Lend(t.Context(), m.cmd.Process.Pid, nobody, nobody, parent); err != nil {
		t.Fatal(err)
	}
	m.say()
	path := m.hear()
	home := filepath.Dir(path)
	if filepath.Dir(home) != filepath.Join(Root, parent) || filepath.Base(path) != groupName(testID) || !strings.HasPrefix(filepath.Base(home), lentPrefix) {
		t.Errorf("the container's group is %q", path)
	}
	if got, _ := groupOf(fmt.Sprint(m.cmd.Process.Pid)); got != filepath.Join(home, supervisorName) {
		t.Errorf("the monitor is in %s", got)
	}
	m.in.Close()
	m.cmd.Wait()
	removeReturned(filepath.Join(Root, parent))
	if exists(home) {
		t.Error("the lent group is still there")
	}
}

func TestNoGroup(t *testing.T) {
	var g *Group
	if g.FD() != -1 || g.Path() != "" || g.Controllers() != nil {
		t.Error("a nil group has something")
	}
	for name, err := range map[string]error{"Freeze": g.Freeze(t.Context()), "Kill": g.Kill(), "Add": g.Add(1)} {
		if !errors.Is(err, ErrNoGroup) {
			t.Errorf("%s says %v", name, err)
		}
	}
	if err := errors.Join(g.Remove(t.Context()), g.Close()); err != nil {
		t.Errorf("removing nothing: %v", err)
	}
}

func TestOpenRefusesOtherPaths(t *testing.T) {
	for _, path := range []string{"", "/", "/etc", Root, Root + "/../../etc", Root + "/a/"} {
		if g, err := Open(path); err == nil {
			t.Errorf("opened %q as %v", path, g)
		}
	}
}
