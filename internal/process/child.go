package process

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Child is a child of this process that was not started by package os.
//
// os.Process would do, but the first one in a program forks a test process to
// learn whether the kernel has pidfds, which takes as long as all of rl's own
// work before a container is set up.
type Child struct {
	PID int

	mu     sync.Mutex
	reaped bool
}

// Wait waits for the child to end and returns how. It is called once.
func (c *Child) Wait() (syscall.WaitStatus, error) {
	for {
		// Leaves the child a zombie, so that its id cannot become another's
		// before Signal knows.
		err := unix.Waitid(unix.P_PID, c.PID, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return 0, os.NewSyscallError("waitid", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.PID, &status, 0, nil)
	return status, os.NewSyscallError("wait4", err)
}

// Signal sends a signal, and os.ErrProcessDone when the child was waited for.
func (c *Child) Signal(s syscall.Signal) error { return c.send(c.PID, s) }

// SignalGroup is Signal for all processes of the group that the child leads.
func (c *Child) SignalGroup(s syscall.Signal) error { return c.send(-c.PID, s) }

func (c *Child) send(to int, s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", unix.Kill(to, s))
}
