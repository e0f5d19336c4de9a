package integration

import (
	"fmt"
	"os"
	"path/filepath"
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

// WaitFile waits until a file is there. Its folder must exist.
func WaitFile(t testing.TB, path string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		t.Fatalf("watch %s: %v", filepath.Dir(path), err)
	}
	end := time.Now().Add(patience)
	for {
		if _, err := os.Lstat(path); err == nil {
			return
		}
		ready, err := poll(fd, time.Until(end))
		if err != nil || !ready {
			t.Fatalf("no %s after %v: %v", path, patience, err)
		}
		unix.Read(fd, make([]byte, 4096))
	}
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
