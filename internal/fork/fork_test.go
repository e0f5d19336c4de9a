package fork

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func start(t *testing.T, p *Program, o Options) *Process {
	t.Helper()
	child, err := Start(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Wait4(child.PID, nil, 0, nil) })
	return child
}

func TestStepsHandOnResults(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := new(Program)
	fd := p.NewSlot()
	p.Call("duplicate", unix.SYS_DUP, int(writer.Fd())).Save(fd)
	p.Call("write", unix.SYS_WRITE, fd, []byte("hello"), 5)
	p.Exit()
	child := start(t, p, Options{})
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := reader.Read(got); err != nil || string(got) != "hello" {
		t.Fatalf("read %q, %v", got, err)
	}
}

func TestFailureNamesItsStep(t *testing.T) {
	p := new(Program)
	p.Call("enter /missing", unix.SYS_CHDIR, "/missing")
	p.Exit()
	err := start(t, p, Options{}).Wait()
	failure := new(StepError)
	if !errors.As(err, &failure) || failure.Step != "enter /missing" || !errors.Is(err, unix.ENOENT) {
		t.Fatalf("got %v", err)
	}
}

func TestAllowedFailuresAreReportedWithTheLastOne(t *testing.T) {
	p := new(Program)
	p.Call("first", unix.SYS_CHDIR, "/missing").Allow(unix.ENOENT).Reported()
	p.Call("unreported", unix.SYS_CHDIR, "/missing").Allow()
	p.Fail("nothing left to try", unix.EACCES)
	err := start(t, p, Options{}).Wait()
	if !errors.Is(err, unix.ENOENT) || !errors.Is(err, unix.EACCES) {
		t.Fatalf("got %v", err)
	}
}

func TestCloseAllButKeepsWhatIsNamed(t *testing.T) {
	var ends []int
	for range 3 {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { reader.Close(); writer.Close() })
		ends = append(ends, int(reader.Fd()), int(writer.Fd()))
	}
	for _, kept := range [][]int{{}, {ends[0]}, {ends[4], ends[1]}, {ends[5], ends[5], 0}} {
		p := new(Program)
		slot := p.NewSlot()
		p.Call("open the root", unix.SYS_OPENAT, unix.AT_FDCWD, "/", unix.O_PATH, 0).Save(slot)
		keep := []any{slot}
		for _, fd := range kept {
			keep = append(keep, fd)
		}
		p.CloseAllBut("close the others", 3, keep...)
		p.Call("use the slot", unix.SYS_FCHDIR, slot)
		for _, fd := range ends {
			var closed Label
			p.Call("look at a descriptor", unix.SYS_FCNTL, fd, unix.F_GETFD, 0).Allow(unix.EBADF).Else(&closed)
			if !slices.Contains(kept, fd) {
				p.Fail("should be closed", unix.EBADF)
			}
			var next Label
			p.Goto(&next)
			p.Mark(&closed)
			if slices.Contains(kept, fd) {
				p.Fail("should be open", unix.EBADF)
			}
			p.Mark(&next)
		}
		p.Fail("the end", unix.EXDEV) // that this is heard shows the status pipe open
		if err := start(t, p, Options{}).Wait(); !errors.Is(err, unix.EXDEV) {
			t.Errorf("keeping %v of %v: %v", kept, ends, err)
		}
	}
}

// The pipe to the parent has one of the lowest numbers, which the program may
// want for itself.
func TestMovedStatusIsHeard(t *testing.T) {
	p := new(Program)
	p.MoveStatus(100)
	p.CloseAllBut("close the low ones", 3)
	p.Fail("the end", unix.EXDEV)
	if err := start(t, p, Options{}).Wait(); !errors.Is(err, unix.EXDEV) {
		t.Error(err)
	}
}

func TestElseSkipsSteps(t *testing.T) {
	p := new(Program)
	var after Label
	p.Call("try", unix.SYS_CHDIR, "/missing").Allow(unix.ENOENT).Else(&after)
	p.Fail("not skipped", unix.EPERM)
	p.Mark(&after)
	p.Exit()
	if err := start(t, p, Options{}).Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestEndOfFileIsAFailureWhereAWordIsExpected(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	writer.Close()
	p := new(Program)
	p.Call("wait for the parent", unix.SYS_READ, int(reader.Fd()), make([]byte, 1), 1).Positive()
	p.Exit()
	if err := start(t, p, Options{}).Wait(); !errors.Is(err, unix.EPIPE) {
		t.Fatalf("got %v", err)
	}
}

func TestReportAcrossASecondClone(t *testing.T) {
	p := new(Program)
	pid := p.NewSlot()
	var parent Label
	p.Call("clone", unix.SYS_CLONE, int(unix.CLONE_PARENT)|int(unix.SIGCHLD), 0, 0, 0, 0).Save(pid).IfNonZero(&parent)
	p.Call("execute", unix.SYS_EXECVE, "/bin/sh", []string{"sh", "-c", "exit 7"}, []string{})
	p.Mark(&parent)
	p.Report("process id", pid)
	p.Exit()
	child := start(t, p, Options{})
	grandchild, err := child.Report()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(grandchild, &status, 0, nil); err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %v, %v", status, err)
	}
}

// A second child that fails a step before the first one reports must not be
// taken for the report; and its process id is still learnt, to be reaped.
func TestReportBehindRecordsOfTheSecondChild(t *testing.T) {
	tests := []struct {
		name    string
		program string
		fails   bool
	}{{"which goes on", "/bin/true", false}, {"which gives up", "/missing/too", true}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			first, second, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			defer second.Close()
			p := new(Program)
			pid := p.NewSlot()
			var parent Label
			p.Call("clone", unix.SYS_CLONE, int(unix.CLONE_PARENT)|int(unix.SIGCHLD), 0, 0, 0, 0).Save(pid).IfNonZero(&parent)
			p.Call("change", unix.SYS_CHDIR, "/missing").Allow(unix.ENOENT).Reported()
			p.Call("execute", unix.SYS_EXECVE, test.program, []string{"true"}, []string{}).Allow(unix.ENOENT).Reported()
			p.Call("let the first child go on", unix.SYS_WRITE, int(second.Fd()), "x", 1)
			p.Fail("found no program", unix.ENOENT)
			p.Mark(&parent)
			if test.fails {
				p.Call("wait", unix.SYS_READ, int(first.Fd()), make([]byte, 1), 1)
			}
			p.Report("process id", pid)
			p.Exit()
			child := start(t, p, Options{})
			grandchild, err := child.Report()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Wait(); (err != nil) != test.fails {
				t.Errorf("got %v", err)
			}
			if _, err := syscall.Wait4(grandchild, nil, 0, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	done := make(chan error)
	for range 16 {
		go func() {
			p := new(Program)
			p.Call("execute", unix.SYS_EXECVE, "/bin/true", []string{"true"}, []string{})
			child, err := Start(p, Options{})
			if err == nil {
				err = child.Wait()
				unix.Wait4(child.PID, nil, 0, nil)
			}
			done <- err
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A signal that this process ignores ends the child once all are reset.
func TestResetSignals(t *testing.T) {
	signal.Ignore(unix.SIGUSR1)
	defer signal.Reset(unix.SIGUSR1)
	for reset, want := range map[bool]syscall.WaitStatus{false: 3 << 8, true: syscall.WaitStatus(unix.SIGUSR1)} {
		p := new(Program)
		if reset {
			p.ResetSignals("reset signals")
		}
		p.Call("execute", unix.SYS_EXECVE, "/bin/sh", []string{"sh", "-c", "kill -USR1 $$; exit 3"}, []string{})
		child, err := Start(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(child.PID, &status, 0, nil); err != nil || status != want {
			t.Errorf("reset %v: status %#x, %v", reset, status, err)
		}
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}
}
