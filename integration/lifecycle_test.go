package integration

import (
	"os"
	"syscall"
	"testing"
)

const forever = "trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait $!; done"

// ready starts a container that prints `ready`, ends with 5 at SIGTERM, and
// would otherwise go on; it returns once the container has printed.
func (e *Env) ready(t *testing.T, name string, flags ...string) {
	t.Helper()
	args := append([]string{"run", "-d", "--name", name}, flags...)
	e.OK(t, append(args, Image, "sh", "-c", forever)...)
	logs := e.Cmd("logs", "-f", name).Start(t)
	logs.Expect(t, "ready")
}

// A container is named by its name, its id, or a beginning of the id that is
// nobody else's.
func TestNames(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "true")
		for _, ref := range []string{name, id, id[:12], "/" + name} {
			e.Want(t, id, "inspect", "-f", "{{.Id}}", ref)
		}
		e.Run(t, "run", "--name", name, Image, "true").Exits(t, 125).Says(t, name, "in use")
	})
}

func TestUnknownContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, args := range [][]string{
			{"start"}, {"stop"}, {"kill"}, {"rm"}, {"logs"}, {"wait"}, {"attach"}, {"inspect"}, {"exec", "true"},
		} {
			args = append(args[:1:1], append([]string{"no-such-one"}, args[1:]...)...)
			r := e.Run(t, args...).Exits(t, 1).Says(t, "no-such-one")
			if lines(r.Err) != 1 {
				t.Errorf("want one line: %s", r)
			}
		}
	})
}

// A command that was stopped and does not read holds up nobody but itself.
func TestStoppedReaderHoldsNothingUp(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		p := e.Cmd("run", "--name", name, Image, "yes").Start(t)
		p.Expect(t, "y\n")
		p.Signal(t, syscall.SIGSTOP)
		e.OK(t, "stop", "-t", "0", name)
		e.Want(t, "137", "inspect", "-f", "{{.State.ExitCode}}", name)
		e.OK(t, "rm", name)
		p.Signal(t, syscall.SIGCONT)
		p.Wait(t).Exits(t, 137)
	})
}

// Signals do not wait behind input that the container does not read.
func TestSignalsOvertakeInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		script := "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
		endless, err := os.Open("/dev/zero")
		if err != nil {
			t.Fatal(err)
		}
		defer endless.Close()
		p := e.Cmd("run", "-i", "--rm", Image, "sh", "-c", script).Stdin(endless).Start(t)
		p.Expect(t, "ready\n")
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t).Exits(t, 9)
	})
}
