package integration

import (
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	ctrlC      = "\x03"
	ctrlZ      = "\x1a"
	detachKeys = "\x10\x11" // ctrl-p ctrl-q
)

// The prompt that the tests give the shell. It is not what they type, so that
// the echo of the typed line is not taken for it.
const shellReady = "PS1='ready''> '\n"

// A command that says when it is in the foreground, and goes on.
const sleeping = "sh -c 'echo sleep''ing; sleep 1000'\n"

func interactive(t *testing.T, e *Env, args ...string) *Terminal {
	t.Helper()
	tm := e.Cmd(args...).Terminal(t)
	tm.Expect(t, "# ")
	tm.Type(t, shellReady)
	tm.Expect(t, "ready> ")
	return tm
}

func TestTerminal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := interactive(t, e, "run", "--rm", "-it", Image, "sh")
		tm.Type(t, "tty; test -t 0 -a -t 1 -a -t 2 && echo all''three\n")
		tm.Expect(t, "/dev/pts/0")
		tm.Expect(t, "allthree")
		tm.Type(t, "exit 6\n")
		tm.Wait(t).Exits(t, 6)
	})
}

// The size is right from the first moment and follows the person's terminal.
func TestTerminalSize(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := e.Cmd("run", "--rm", "-it", Image, "sh", "-c", "stty size; trap 'stty size' WINCH; echo waiting; while :; do read x && exit; done").Terminal(t)
		tm.Expect(t, "24 80")
		tm.Expect(t, "waiting")
		tm.Resize(t, 43, 132)
		tm.Type(t, "") // the trap runs when read is interrupted
		tm.Expect(t, "43 132")
		tm.Type(t, "\n")
		tm.Wait(t).OK(t)
	})
}

func TestTerminalCtrlC(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := interactive(t, e, "run", "--rm", "-it", Image, "sh")
		tm.Type(t, sleeping)
		tm.Expect(t, "sleeping")
		tm.Type(t, ctrlC)
		tm.Expect(t, "ready> ")
		tm.Type(t, "echo code $?\n")
		tm.Expect(t, "code 130")
		tm.Type(t, "exit\n")
		tm.Wait(t)
	})
}

func TestTerminalJobControl(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := interactive(t, e, "run", "--rm", "-it", Image, "sh")
		if text := tm.out.String(); strings.Contains(text, "job control") {
			t.Errorf("the shell complains: %q", text)
		}
		tm.Type(t, sleeping)
		tm.Expect(t, "sleeping")
		tm.Type(t, ctrlZ)
		tm.Expect(t, "Stopped")
		tm.Expect(t, "ready> ")
		tm.Type(t, "kill %1; fg %1; echo code $?\n")
		tm.Expect(t, "code 143")
		tm.Type(t, "exit 0\n")
		tm.Wait(t).OK(t)
	})
}

// The person's terminal is as it was, however the container ended.
func TestTerminalRestored(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := e.Tool("sh").Terminal(t)
		tm.Type(t, shellReady)
		tm.Expect(t, "ready> ")
		before := tm.Mode(t)
		for _, command := range []string{"true", "false", "no-such-command"} {
			tm.Type(t, e.Prog+" run --rm -it "+Image+" "+command+"; echo en''ded\n")
			tm.Expect(t, "ended")
			tm.Expect(t, "ready> ")
			if after := tm.Mode(t); after != before {
				t.Errorf("after %s: %+v, before %+v", command, after, before)
			}
		}
		tm.Type(t, "exit 0\n")
		tm.Wait(t).OK(t)
	})
}

// While a container has the terminal, its keys go through unchanged.
func TestTerminalRaw(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := e.Cmd("run", "--rm", "-it", Image, "sh", "-c", "stty raw -echo; echo go; head -c 4 | od -An -tx1").Terminal(t)
		tm.Expect(t, "go")
		if m := tm.Mode(t); m.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
			t.Errorf("the person's terminal is not raw: %+v", m)
		}
		tm.Type(t, "\x03\x1a\x04\x1c")
		tm.Expect(t, "03 1a 04 1c")
		tm.Wait(t).OK(t)
	})
}

func TestTerminalNeedsTerminal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		r := e.Cmd("run", "--rm", "-it", Image, "true").Input("").Run(t)
		r.Exits(t, 1).Says(t, "the input device is not a")
	})
}

// -t without -i gives the command a terminal and rl's output stays a pipe.
func TestTerminalOnly(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		if r := e.Run(t, "run", "--rm", "-t", Image, "sh", "-c", "test -t 1 && echo line"); r.Out != "line\r\n" {
			t.Error(r)
		}
	})
}

func TestDetach(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		tm := interactive(t, e, "run", "-it", "--name", name, Image, "sh")
		tm.Type(t, detachKeys)
		tm.Wait(t).Exits(t, 0)
		e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)

		again := e.Cmd("attach", name).Terminal(t)
		again.Type(t, "echo still ''here\n")
		again.Expect(t, "still here\r\n")
		again.Type(t, "exit 3\n")
		again.Wait(t).Exits(t, 3)
	})
}

func TestDetachKeys(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		tm := interactive(t, e, "run", "-it", "--detach-keys", "ctrl-x,q", "--name", name, Image, "sh")
		tm.Type(t, "\x18q")
		tm.Wait(t).Exits(t, 0)
		e.OK(t, "kill", name)
	})
}

// Without detach keys, ctrl-p reaches the container at once.
func TestDetachKeysOff(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		tm := e.Cmd("run", "--rm", "-it", "--detach-keys", "", Image, "sh", "-c", "stty raw -echo; echo go; head -c 2 | od -An -tx1").Terminal(t)
		tm.Expect(t, "go")
		tm.Type(t, detachKeys)
		tm.Expect(t, "10 11")
		tm.Wait(t).OK(t)
	})
}

func TestExecTerminal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		tm := interactive(t, e, "exec", "-it", name, "sh")
		tm.Resize(t, 50, 100)
		tm.Type(t, sleeping)
		tm.Expect(t, "sleeping")
		tm.Type(t, ctrlC)
		tm.Expect(t, "ready> ")
		tm.Type(t, "stty size\n")
		tm.Expect(t, "50 100")
		tm.Type(t, "exit 8\n")
		tm.Wait(t).Exits(t, 8)
		e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)
	})
}

// A signal that ends the command leaves the terminal as it was. The container
// goes on, as when its terminal is closed.
func TestTerminalRestoredWhenKilled(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		running := e.Name(t)
		e.ready(t, running)
		for _, ending := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT} {
			if signal.Ignored(ending) {
				continue // as SIGHUP is under nohup, for what the tests start as well
			}
			name := e.Name(t)
			for _, args := range [][]string{
				{"run", "-it", "--name", name, Image, "sh"}, {"attach", name}, {"exec", "-it", running, "sh"},
			} {
				tm := e.Cmd(args...).Terminal(t)
				tm.Type(t, "\necho re''ady\n") // a shell that is attached to says nothing before
				tm.Expect(t, "ready")
				if m := tm.Mode(t); m.Lflag&unix.ECHO != 0 {
					t.Errorf("%v: the terminal is not raw: %+v", args, m)
				}
				tm.Signal(t, ending)
				tm.Wait(t).Exits(t, 128+int(ending))
				if m := tm.Mode(t); m.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != unix.ICANON|unix.ECHO|unix.ISIG {
					t.Errorf("%v: %v leaves the terminal raw: %+v", args, ending, m)
				}
			}
			e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)
		}
	})
}
