package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// comes waits until ok is true, and says how long that took.
func comes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > patience {
			t.Fatalf("never: %s", what)
		}
	}
	t.Logf("after %v: %s", time.Since(began).Round(time.Millisecond), what)
}

// A killed network process takes neither names nor networks nor the connections
// between containers with it.
func TestNetworkProcessKilledUnderNetworks(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n, other := e.network(t), e.network(t, "--internal")
		server := e.Name(t)
		// Some netcats end when the other side has nothing more to say: so it never ends.
		e.OK(t, "run", "-d", "--name", server, "--network", n, "-p", "127.0.0.1::80", Image, "sh", "-c", "sleep 1000 | nc -l -p 7 >/heard & while :; do echo up | nc -l -p 80; done")
		talker, apart := e.sleeper(t, "--network", n+","+other), e.sleeper(t, "--network", other)
		e.OK(t, "exec", "-d", talker, "sh", "-c", "while :; do echo tick; sleep 0.1; done | nc "+server+" 7")
		heard := func() int {
			count, _ := strconv.Atoi(strings.TrimSpace(e.OK(t, "exec", server, "sh", "-c", "wc -l </heard")))
			return count
		}
		comes(t, "the connection is made", func() bool { return heard() > 0 })
		address, port := e.address(t, server, n), e.hostPort(t, server)
		pid := e.networkProcess(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		WaitGone(t, pid)
		before := heard()
		comes(t, "the connection goes on", func() bool { return heard() > before+2 })
		comes(t, "names resolve", func() bool { return e.reaches(talker, server) && e.reaches(talker, apart) })
		comes(t, "the port is back", func() bool { got, _ := hear("127.0.0.1:" + port); return got == "up" })
		if e.reaches(apart, address) {
			t.Error("networks are not apart any more")
		}
		if now := e.address(t, server, n); now != address {
			t.Errorf("the address was %s and is %s", address, now)
		}
		late := e.sleeper(t, "--network", n)
		if !e.reaches(late, server) || !e.reaches(talker, late) {
			t.Error("a new container is not found, or finds nobody")
		}
	})
}

// With its monitor a container dies, and its names; started again it is what it was.
func TestMonitorKilledUnderNetworks(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		n := e.network(t, "--subnet", "10.91.0.0/24")
		web, other := e.sleeper(t, "--network", n, "--ip", "10.91.0.50"), e.sleeper(t, "--network", n)
		kill := func() {
			monitor, first := e.monitorOf(t, web), e.pid(t, web)
			if err := syscall.Kill(monitor, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			WaitGone(t, monitor)
			WaitGone(t, first)
		}
		kill()
		comes(t, "the name is gone", func() bool { return !e.reaches(other, web) })
		e.OK(t, "start", web)
		comes(t, "the name is back", func() bool { return e.reaches(other, web) })
		e.Want(t, "10.91.0.50", "exec", web, "sh", "-c", "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'")
		kill()
		e.OK(t, "rm", "-f", web, other)
		e.OK(t, "network", "rm", n)
	})
}

// A restart policy brings a container back with its networks.
func TestNetworkRestartPolicy(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		one, two := e.network(t), e.network(t)
		name, other := e.Name(t), e.sleeper(t, "--network", two)
		e.OK(t, "run", "-d", "--name", name, "--restart", "always", "--network", one, Image, "sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.1; done")
		e.OK(t, "network", "connect", two, name)
		address := e.address(t, name, two)
		e.OK(t, "kill", "-s", "USR1", name)
		comes(t, "it is back", func() bool {
			return e.OK(t, "inspect", "-f", "{{.RestartCount}} {{.State.Running}}", name) == "1 true" && e.reaches(other, name)
		})
		if now := e.address(t, name, two); now != address {
			t.Errorf("the address was %s and is %s", address, now)
		}
		e.OK(t, "network", "disconnect", one, name)
		e.OK(t, "kill", "-s", "USR1", name)
		comes(t, "it is back again", func() bool {
			return e.OK(t, "inspect", "-f", "{{.RestartCount}} {{.State.Running}}", name) == "2 true" && e.reaches(other, name)
		})
	})
}

// A container that starts after the network process was killed joins the others
// although their monitors have had no time yet to tell of them.
func TestNetworkProcessKilledWhileMonitorsWait(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name, ip := e.serve(t, "there")
	monitor, netd := e.monitorOf(t, name), e.networkProcess(t)
	if err := syscall.Kill(monitor, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Else it might see the other's end first, and stop while it alone may start another.
	comes(t, "the monitor has stopped", func() bool { return stopped(t, monitor) })
	if err := syscall.Kill(netd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	WaitGone(t, netd)
	script := "ip -4 -o addr show dev eth0 | sed 's,.* inet ,,; s,/.*,,'; nc -w 10 " + ip + " 80"
	got := e.OK(t, "run", "--rm", Image, "sh", "-c", script)
	if err := syscall.Kill(monitor, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if own, heard, _ := strings.Cut(got, "\n"); own == ip || heard != "there" {
		t.Errorf("the new container has %s and hears %q from %s", own, heard, ip)
	}
	e.Want(t, "there", "run", "--rm", Image, "nc", "-w", "10", ip, "80")
}

// stopped reports whether every thread of a process is stopped.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	return !slices.ContainsFunc(threads, func(path string) bool {
		text, err := os.ReadFile(path)
		_, state, _ := strings.Cut(string(text), ") ") // after the name
		return err == nil && !strings.HasPrefix(state, "T")
	})
}
