package integration

import (
	"syscall"
	"testing"
)

func TestStartKeepsFiles(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "sh", "-c", "echo x >> /count; wc -l < /count")
		for _, want := range []string{"1", "2", "3"} {
			if got := e.OK(t, "start", "-a", name); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestStartSeveral(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b := e.Name(t), e.Name(t)
		for _, name := range []string{a, b} {
			e.OK(t, "create", "--name", name, Image, "sleep", "1000")
		}
		e.Want(t, a+"\n"+b, "start", a, b)
		e.Want(t, "true\ntrue", "inspect", "-f", "{{.State.Running}}", a, b)
		e.Want(t, a+"\n"+b, "kill", a, b)
		e.Want(t, "137\n137", "wait", a, b)
	})
}

func TestStartRunning(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		pid := e.OK(t, "inspect", "-f", "{{.State.Pid}}", name)
		e.Want(t, name, "start", name) // as Docker: it runs already, which is what was asked for
		e.Want(t, pid, "inspect", "-f", "{{.State.Pid}}", name)
	})
}

func TestStartAttachesToWhatRuns(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", "trap 'exit 4' TERM; while :; do echo tick; sleep 0.05; done")
		p := e.Cmd("start", "-a", name).Start(t)
		p.Expect(t, "tick\n")
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t).Exits(t, 4)
		e.OK(t, "rm", name)
	})
}
