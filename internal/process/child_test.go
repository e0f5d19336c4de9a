package process

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestChildIsSignalledUntilItIsReaped(t *testing.T) {
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	c := Child{PID: pid}
	if err := c.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	status, err := c.Wait()
	if err != nil || status.Signal() != syscall.SIGKILL {
		t.Fatalf("%v, %v", status, err)
	}
	if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
}
