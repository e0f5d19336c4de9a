package integration

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

const reporter = "for s in HUP INT TERM USR1 USR2; do trap \"echo got $s\" $s; done; trap 'exit 7' QUIT; echo ready; while :; do sleep 1000 & wait $!; done"

// Signals sent to rl reach process 1 of the container.
func TestSignalsForwarded(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		p := e.Cmd("run", "--rm", Image, "sh", "-c", reporter).Start(t)
		p.Expect(t, "ready\n")
		for _, s := range []struct {
			signal syscall.Signal
			name   string
		}{
			{syscall.SIGHUP, "HUP"}, {syscall.SIGINT, "INT"}, {syscall.SIGTERM, "TERM"},
			{syscall.SIGUSR1, "USR1"}, {syscall.SIGUSR2, "USR2"},
		} {
			p.Signal(t, s.signal)
			p.Expect(t, "got "+s.name+"\n")
		}
		p.Signal(t, syscall.SIGQUIT)
		p.Wait(t).Exits(t, 7)
	})
}

// Process 1 does not notice a signal that it does not handle: who asks three
// times is let go, and the container goes on.
func TestSignalsIgnored(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		p := e.Cmd("run", "--name", name, Image, "sh", "-c", "trap 'echo asked' INT; echo ready; while :; do sleep 1000 & wait $!; done").Start(t)
		p.Expect(t, "ready\n")
		for range 2 {
			p.Signal(t, syscall.SIGINT)
			p.Expect(t, "asked\n")
		}
		p.Signal(t, syscall.SIGINT)
		p.Wait(t).Exits(t, 1).Says(t, "left it running")
		e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)
		e.OK(t, "rm", "-f", name)
	})
}

// With --init, a process 1 that ignores what it does not handle is no problem.
func TestInitForwards(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		p := e.Cmd("run", "--rm", "--init", Image, "sh", "-c", "echo ready; exec sleep 1000").Start(t)
		p.Expect(t, "ready\n")
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t).Exits(t, 143)
	})
}

// --init collects children that nobody waits for.
func TestInitReaps(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--init", "--name", name, Image, "sh", "-c", "sh -c 'sleep 0 & exec true'; mkfifo /ready; echo orphan made > /ready; exec sleep 1000")
		script := "until test -p /ready; do :; done; cat /ready; while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done; echo no zombies"
		e.Want(t, "orphan made\nno zombies", "exec", name, "sh", "-c", script)
	})
}

// The container goes on when the command that started it is killed: its
// monitor does not depend on it.
func TestRunKilled(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		p := e.Cmd("run", "--name", name, Image, "sh", "-c", forever).Start(t)
		p.Expect(t, "ready\n")
		p.Signal(t, syscall.SIGKILL)
		p.Wait(t).Exits(t, 137)
		e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)
		e.OK(t, "stop", name)
		e.Want(t, "5", "wait", name)
	})
}

// Whenever Ctrl-C comes to `run -d`, either the id is printed or nothing goes
// on, and with --rm nothing is left.
func TestInterruptedWhileDetaching(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for delay := range 16 {
			name := e.Name(t)
			p := e.Cmd("run", "-d", "--name", name, Image, "sleep", "1000").Start(t)
			<-time.After(time.Duration(2*delay) * time.Millisecond) // any moment of the start
			if err := p.x.Process.Signal([]os.Signal{syscall.SIGINT, syscall.SIGTERM}[delay%2]); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			r := p.Wait(t)
			running := e.Run(t, "inspect", "--type", "container", "-f", "{{.State.Running}}", name).Out == "true\n"
			if told := len(r.Out) == 65; told != running || told != (r.Code == 0) {
				t.Errorf("after %d ms: running is %v: %s", 2*delay, running, r)
			}
			e.Run(t, "rm", "-f", name)
		}
	})
}

// Whenever Ctrl-C comes, no container goes on with nobody attached: there is
// none yet, or it is attended to until its end. It hears the signal once it has
// said what to do at it.
func TestInterruptedWhileStarting(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for delay := range 12 {
			name := e.Name(t)
			p := e.Cmd("run", "--name", name, Image, "sh", "-c", "trap 'exit 130' INT; sleep 1 & wait; exit 7").Start(t)
			<-time.After(time.Duration(2*delay) * time.Millisecond) // any moment of the start
			p.Signal(t, syscall.SIGINT)
			if r := p.Wait(t); r.Code != 130 && r.Code != 7 {
				t.Errorf("after %d ms: %s", 2*delay, r)
			}
			if r := e.Run(t, "inspect", "--type", "container", "-f", "{{.State.Running}}", name); r.Out == "true\n" {
				t.Errorf("after %d ms it was left running", 2*delay)
			}
		}
	})
}
