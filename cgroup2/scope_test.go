package cgroup2

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// needScopes skips where no systemd makes scopes for this user, or where the
// tests themselves run in a delegated unit, which needs none.
func needScopes(t *testing.T) {
	t.Helper()
	if i := Discover(t.Context()); !i.Systemd || i.Delegated != "" {
		t.Skipf("only in a login session with systemd: make test-vm (%v, %q)", i.SystemdError, i.Delegated)
	}
}

// monitor is a process that plays a container's monitor.
func monitor(t *testing.T) *actor {
	t.Helper()
	a := play("idle")
	a.start()
	t.Cleanup(func() { a.cmd.Process.Kill(); a.cmd.Wait() })
	return a
}

// scopeID makes ids that differ in the first twelve characters.
func scopeID(n int) string { return fmt.Sprintf("%06x%06x", os.Getpid(), n) + strings.Repeat("0", 52) }

func TestScope(t *testing.T) {
	needScopes(t)
	m := monitor(t)
	r := memory(20<<20, 20<<20)
	r.Pids = &specs.LinuxPids{Limit: ptr(int64(50))}
	g, err := Create(t.Context(), Options{ID: scopeID(1), PID: m.cmd.Process.Pid, Resources: r})
	if err != nil {
		t.Fatal(err)
	}
	scope := filepath.Dir(g.Path())
	if filepath.Base(scope) != groupName(scopeID(1))+".scope" {
		t.Errorf("the group is %s", g.Path())
	}
	if got, _ := groupOf(fmt.Sprint(m.cmd.Process.Pid)); got != filepath.Join(scope, supervisorName) {
		t.Errorf("the monitor is in %s", got)
	}
	for file, want := range map[string]string{"memory.max": "20971520", "pids.max": "50"} {
		if got, err := read(g.Path(), file); err != nil || got != want {
			t.Errorf("%s is %q (%v)", file, got, err)
		}
	}
	if err := g.Update(pids(60)); err != nil || g.number("pids.max") != 60 {
		t.Errorf("after the update pids.max is %d (%v)", g.number("pids.max"), err)
	}
	if err := g.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOOMKillIsCounted(t *testing.T) {
	needScopes(t)
	m := play("host")
	m.start()
	t.Cleanup(func() { m.cmd.Process.Kill(); m.cmd.Wait() })
	g, err := Create(t.Context(), Options{ID: scopeID(2), PID: m.cmd.Process.Pid, Resources: memory(20<<20, 20<<20)})
	if err != nil {
		t.Fatal(err)
	}
	m.tell(g.Path())
	if got := m.hear(); got != "signal: killed" {
		t.Errorf("the process ended with %q", got)
	}
	if n, err := g.OOMKills(); err != nil || n != 1 {
		t.Errorf("counted %d (%v)", n, err)
	}
	if err := g.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestScopesInParallel(t *testing.T) {
	needScopes(t)
	var all sync.WaitGroup
	for n := range 16 {
		m := monitor(t)
		all.Go(func() {
			g, err := Create(t.Context(), Options{ID: scopeID(100 + n), PID: m.cmd.Process.Pid, Resources: pids(10)})
			if err != nil {
				t.Error(err)
				return
			}
			if g.number("pids.max") != 10 {
				t.Errorf("scope %d has no limit", n)
			}
			if err := g.Remove(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestNextMonitorJoinsWhatIsLeft(t *testing.T) {
	needScopes(t)
	helper, second := monitor(t), monitor(t)
	o := Options{ID: scopeID(3), PID: helper.cmd.Process.Pid}
	first, err := Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.PID = second.cmd.Process.Pid
	again, err := Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first.Path() != again.Path() {
		t.Errorf("first %s, then %s", first.Path(), again.Path())
	}
	for _, pid := range []int{helper.cmd.Process.Pid, second.cmd.Process.Pid} {
		if got, err := groupOf(fmt.Sprint(pid)); err != nil || filepath.Base(got) != supervisorName {
			t.Errorf("process %d is in %s (%v)", pid, got, err)
		}
	}
}

func TestSettle(t *testing.T) {
	needScopes(t)
	for range 2 {
		m := monitor(t)
		if err := Settle(t.Context(), "unittest", m.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if got, err := groupOf(fmt.Sprint(m.cmd.Process.Pid)); err != nil || filepath.Base(got) != "rl-unittest.scope" {
			t.Errorf("the process is in %s (%v)", got, err)
		}
	}
}

func TestMissingControllerIsNamed(t *testing.T) {
	needScopes(t)
	if Discover(t.Context()).Has("io") {
		t.Skip("only where a controller is missing")
	}
	m := monitor(t)
	_, err := Create(t.Context(), Options{ID: scopeID(4), PID: m.cmd.Process.Pid, Resources: &specs.LinuxResources{
		BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(100))}}})
	if err == nil || !strings.Contains(err.Error(), "--blkio-weight") || !strings.Contains(err.Error(), dropIn) {
		t.Errorf("got %v", err)
	}
}
