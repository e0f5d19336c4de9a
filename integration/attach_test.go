package integration

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Who comes back to a terminal of the same size sees what is on it: the program
// is told to draw it again.
func TestAttachDrawsAgain(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		tm := e.Cmd("run", "-it", "--name", name, Image, "sh", "-c", "trap 'echo drawn' WINCH; echo ready; while :; do sleep 1000 & wait $!; done").Terminal(t)
		tm.Expect(t, "ready")
		tm.Type(t, detachKeys)
		tm.Wait(t).Exits(t, 0)
		again := e.Cmd("attach", name).Terminal(t)
		again.Expect(t, "drawn")
		e.OK(t, "rm", "-f", name)
	})
}

// Two people at one container see the same output; the first to leave does not
// take the other along.
func TestAttachOfTwo(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		first := interactive(t, e, "run", "-it", "--name", name, Image, "sh")
		second := e.Cmd("attach", name).Terminal(t)
		second.Type(t, "echo for ''both\n")
		second.Expect(t, "for both\r\n")
		first.Expect(t, "for both\r\n")
		second.Type(t, detachKeys)
		second.Wait(t).Exits(t, 0)
		first.Type(t, "exit 4\n")
		first.Wait(t).Exits(t, 4)
	})
}

// Attaching without a terminal carries output, input and the exit code.
func TestAttachPipes(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "-i", "--name", name, Image, "sh", "-c", "read x; echo out $x; echo err $x >&2; exit 2")
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		p := e.Cmd("attach", name).Stdin(in).Start(t)
		out.WriteString("word\n")
		p.Expect(t, "out word\n")
		p.ExpectErr(t, "err word\n")
		out.Close()
		p.Wait(t).Exits(t, 2)
		e.Run(t, "attach", name).Exits(t, 1)
	})
}

func TestAttachPassesSignalsOn(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", "trap 'exit 5' TERM; while :; do echo tick; sleep 0.05; done")
		quiet := e.Cmd("attach", "--no-stdin", "--sig-proxy=false", name).Start(t)
		loud := e.Cmd("attach", "--no-stdin", name).Start(t)
		quiet.Expect(t, "tick")
		loud.Expect(t, "tick")
		loud.Signal(t, syscall.SIGTERM)
		loud.Wait(t).Exits(t, 5)
		quiet.Wait(t).Exits(t, 5)
	})
}

// A guest that does not read, because it is stopped or its terminal is, holds up
// neither the log nor other guests. It learns of it when it goes on.
func TestAttachOfOneThatDoesNotRead(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		const lines = 400_000 // of 11 bytes: far more than fits between container and guest
		e.OK(t, "run", "-d", "--network", "none", "--log-opt", "max-size=100m", "--name", name, Image, "sh", "-c",
			fmt.Sprintf("until [ -e /go ]; do echo tick; sleep 0.05; done; yes 0123456789 | head -n %d; echo finished; sleep 1000", lines))
		stopped := e.Cmd("attach", "--no-stdin", name).Start(t)
		reading := e.Cmd("attach", "--no-stdin", name).Start(t)
		stopped.Expect(t, "tick")
		reading.Expect(t, "tick")
		stopped.Signal(t, syscall.SIGSTOP)
		e.OK(t, "exec", name, "touch", "/go")
		reading.Expect(t, "finished\n")
		if got := strings.Count(e.OK(t, "logs", name), "0123456789\n"); got != lines {
			t.Errorf("%d lines of %d are in the log", got, lines)
		}
		stopped.Signal(t, syscall.SIGCONT)
		stopped.Wait(t).Exits(t, 1).Says(t, "attach again", "rl logs")
		e.Want(t, "running", "inspect", "-f", "{{.State.Status}}", name)
		e.OK(t, "rm", "-f", name)
		reading.Wait(t).Exits(t, 137)
	})
}

// With --no-stdin what is typed stays where it is, for who reads it next.
func TestAttachNoStdin(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "-i", "--name", name, Image, "sh", "-c", "while :; do echo tick; sleep 0.05; done & read x; echo got $x")
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("typed\n")
		out.Close()
		looking := e.Cmd("container", "attach", "--no-stdin", name).Stdin(in).Start(t)
		looking.Expect(t, "tick\n")
		e.Cmd("attach", name).Input("right\n").Run(t).OK(t)
		looking.Wait(t).Exits(t, 0)
		left, err := io.ReadAll(in)
		if err != nil || string(left) != "typed\n" {
			t.Errorf("left in the input: %q, %v", left, err)
		}
		if said := e.OK(t, "logs", name); !hasLine(said, "got right") {
			t.Errorf("the container said %q", said)
		}
	})
}

// The keys by which one leaves are chosen each time, and leaving says nothing
// to the container.
func TestAttachDetachKeys(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-dit", "--name", name, Image, "sh", "-c", "while read x; do echo got $x; done")
		tm := e.Cmd("attach", "--detach-keys=ctrl-x,x", name).Terminal(t)
		tm.Type(t, "one\n")
		tm.Expect(t, "got one")
		tm.Type(t, "\x18x")
		tm.Wait(t).Exits(t, 0)
		e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", name)
		e.OK(t, "rm", "-f", name)
	})
}

func TestAttachRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		made, ended, running := e.Name(t), e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", made, Image, "true")
		e.OK(t, "run", "--name", ended, Image, "true")
		e.ready(t, running)
		for _, name := range []string{made, ended} {
			e.Run(t, "attach", name).Exits(t, 1).Says(t, "not running")
		}
		e.Run(t, "attach", "no-such-one").Exits(t, 1).Says(t, "no such container: no-such-one")
		e.Run(t, "attach").Exits(t, 125).Says(t, "CONTAINER")
		e.Run(t, "attach", made, running).Exits(t, 125).Says(t, "unexpected argument "+running)
		e.Run(t, "attach", "--detach-keys", "ctrl-", running).Exits(t, 125).Says(t, "ctrl-")
		e.Run(t, "attach", "--no-stdn", running).Exits(t, 125).Says(t, "--no-stdin?")
		e.OK(t, "pause", running)
		e.Run(t, "attach", running).Exits(t, 1).Says(t, "paused", "rl unpause "+running)
		e.OK(t, "unpause", running)
	})
}
