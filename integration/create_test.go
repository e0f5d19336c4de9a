package integration

import "testing"

func TestCreateAndStart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "sh", "-c", "echo run; exit 4")
		if len(id) != 64 {
			t.Errorf("create printed %q, not the id", id)
		}
		e.Want(t, "created false", "inspect", "-f", "{{.State.Status}} {{.State.Running}}", name)
		if r := e.Run(t, "start", "-a", name).Exits(t, 4); r.Out != "run\n" {
			t.Error(r)
		}
		e.Want(t, "exited 4", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
		e.Run(t, "start", "-a", name).Exits(t, 4)
		e.Want(t, "run\nrun", "logs", name)
	})
}
