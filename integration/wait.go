package integration

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// WaitGone waits until a process, which need not be a child, has ended.
func WaitGone(t testing.TB, pid int) {
	t.Helper()
	if err := waitGone(pid, patience); err != nil {
		t.Fatal(err)
	}
}

func waitGone(pid int, limit time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	ready, err := poll(fd, limit)
	if err == nil && !ready {
		err = fmt.Errorf("process %d still runs after %v", pid, limit)
	}
	return err
}

// poll waits until a descriptor has something to read.
func poll(fd int, limit time.Duration) (bool, error) {
	end := time.Now().Add(limit)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		left := max(time.Until(end), 0)
		n, err := unix.Poll(fds, int(left.Milliseconds()))
		if err != unix.EINTR {
			return n > 0, err
		}
	}
}

// Until runs a command again and again until it prints want, for what another
// process does in its own time.
func (e *Env) Until(t testing.TB, want string, args ...string) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		got := e.OK(t, args...)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v still prints %q, not %q", args, got, want)
		}
	}
}
