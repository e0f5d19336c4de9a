package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pid is that of a container's first process.
func (e *Env) pid(t *testing.T, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(e.OK(t, "inspect", "-f", "{{.State.Pid}}", name))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// monitorOf is the parent of a container's first process.
func (e *Env) monitorOf(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.pid(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid < 2 {
		t.Fatalf("the parent of %s is %q", name, line)
	}
	return pid
}

// While the first process of a container is dying with its monitor, the container
// counts as running, and yet start starts it: here a zombie in its pid namespace
// keeps it from ending, whose parent does not wait for it.
func TestStartOfADyingContainer(t *testing.T) {
	Need(t, Program("nsenter", "util-linux"))
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sleep", "1000")
		monitor, first := e.monitorOf(t, name), e.pid(t, name)
		visitor := e.Tool("nsenter", "-t", strconv.Itoa(first), "-U", "--preserve-credentials", "-p", "--no-fork", "sh", "-c", "sleep 1000 & echo in; exec sleep 1000").Start(t)
		visitor.Expect(t, "in")
		if err := syscall.Kill(monitor, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		WaitGone(t, monitor)
		start := e.Cmd("start", name).Start(t)
		e.awaitTaken(t, name, start)
		visitor.Signal(t, syscall.SIGKILL)
		start.Wait(t).Exits(t, 0)
		e.OK(t, "exec", name, "true")
		if now := e.pid(t, name); now == first {
			t.Errorf("its first process is still %d", first)
		}
	})
}

// awaitTaken waits until some process has taken a container, or a command has ended.
func (e *Env) awaitTaken(t *testing.T, name string, p *Proc) {
	t.Helper()
	f, err := os.Open(filepath.Join(e.Data(), "containers", e.OK(t, "inspect", "-f", "{{.Id}}", name), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for begin := time.Now(); time.Since(begin) < patience; {
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.done:
			return
		default:
		}
		if lock.Type != unix.F_UNLCK {
			return
		}
	}
	t.Fatalf("nobody has taken %s after %v", name, patience)
}
