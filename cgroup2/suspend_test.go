package cgroup2

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A shell that forks as fast as it can is stopped with all its children, and goes on afterwards.
func TestSuspendCatchesWhatIsStartedMeanwhile(t *testing.T) {
	shell := exec.Command("sh", "-c", `sleep 1000 & (while :; do (sleep 0.01 &) ; done) & echo ready; wait`)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { unix.Kill(-shell.Process.Pid, unix.SIGKILL); shell.Wait() }()
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	s, err := Suspend(shell.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s.walk(func(pid int) {
		if s.doing(pid) != halted {
			t.Errorf("process %d is not stopped", pid)
		}
	})
	if !Stopped(shell.Process.Pid) {
		t.Error("the first process does not count as stopped")
	}
	s.Resume()
	if Stopped(shell.Process.Pid) {
		t.Error("the first process still counts as stopped")
	}
}

// What was stopped before is left as it was.
func TestResumeLeavesWhatOthersStopped(t *testing.T) {
	sleep := exec.Command("sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	unix.Kill(sleep.Process.Pid, unix.SIGSTOP)
	var status unix.WaitStatus
	if _, err := unix.Wait4(sleep.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatal(err, status)
	}
	s, err := Suspend(sleep.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s.Resume()
	if !Stopped(sleep.Process.Pid) {
		t.Error("it goes on")
	}
}

func TestState(t *testing.T) {
	for stat, want := range map[string]byte{"12 (sh) S 1": 'S', "12 (a) b) (c) T 1 2": 'T', "": 0, "12 (sh)": 0} {
		if got := state([]byte(stat)); got != want {
			t.Errorf("%q: %q", stat, got)
		}
	}
	if strings.Contains(SuspendNotice, "\n") {
		t.Error("the notice is not one line")
	}
}

// What ends by itself meanwhile is not waited for.
func TestSuspendOfWhatEnds(t *testing.T) {
	for range 50 {
		shell := exec.Command("true")
		if err := shell.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- shell.Wait() }()
		if s, err := Suspend(shell.Process.Pid); err == nil {
			s.Resume()
		}
		<-ended
	}
}
