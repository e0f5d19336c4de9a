package integration

import (
	"os"
	"strings"
	"testing"
)

// What waited for a paused container is done when it goes on.
func TestUnpauseLetsItGoOn(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "-i", "--name", name, Image, "sh", "-c", "read x; echo heard $x; read x; echo heard $x")
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		p := e.Cmd("attach", name).Stdin(in).Start(t)
		out.WriteString("first\n")
		p.Expect(t, "heard first\n")
		e.OK(t, "pause", name)
		out.WriteString("second\n")
		out.Close()
		e.Want(t, "true", "inspect", "-f", "{{.State.Paused}}", name)
		e.Want(t, name, "unpause", name)
		p.Expect(t, "heard second\n")
		p.Wait(t).Exits(t, 0)
	})
}

// Each of several is told, by whichever name it was called, and what goes wrong
// with one keeps none of the others.
func TestUnpauseOfSeveral(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b := e.Name(t), e.Name(t)
		e.ready(t, a)
		e.ready(t, b)
		e.OK(t, "pause", a, b)
		id := e.OK(t, "inspect", "-f", "{{.Id}}", b)
		r := e.Run(t, "container", "unpause", a, "no-such-one", id[:20]).Exits(t, 1).Says(t, "no such container: no-such-one")
		if want := a + "\n" + id[:20] + "\n"; r.Out != want {
			t.Errorf("want %q: %s", want, r)
		}
		e.Want(t, "running\nrunning", "inspect", "-f", "{{.State.Status}}", a, b)
		if status := e.OK(t, "ps", "--filter", "id="+id, "--format", "{{.Status}}"); strings.Contains(status, "Paused") {
			t.Errorf("ps says %q", status)
		}
	})
}

func TestUnpauseRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		ended, running := e.Name(t), e.Name(t)
		e.OK(t, "run", "--name", ended, Image, "true")
		e.ready(t, running)
		e.Run(t, "unpause").Exits(t, 125).Says(t, "CONTAINER")
		e.Run(t, "unpause", "--nonsense", running).Exits(t, 125).Says(t, "--nonsense")
		e.Run(t, "unpause", "no-such-one").Exits(t, 1).Says(t, "no-such-one")
		e.Run(t, "unpause", ended).Exits(t, 1).Says(t, "not running")
		e.Run(t, "unpause", running).Exits(t, 1).Says(t, "not paused")
		e.OK(t, "pause", running)
		e.OK(t, "unpause", running)
		e.Run(t, "unpause", running).Exits(t, 1).Says(t, "not paused")
	})
}
