package integration

import (
	"strings"
	"testing"
)

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

// What is wrong with the flags is said before an image is fetched for them.
func TestCreateRefusesBeforeItPulls(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, flags := range []string{
			"-w relative", "-m 1k", "--stop-signal NOPE", "--security-opt nope", "--ulimit nope=1", "--sysctl vm.swappiness=1", "-v /tmp:/x:nope",
			"--mount type=nope,dst=/x", "--tmpfs x", "--label-file /no/such", "--env-file /no/such", "--cap-add nope", "--network no-such-network",
			"--network container:nobody", "--volumes-from nobody", "--health-cmd x --health-retries -1", "--device /no/such", "--shm-size nope",
		} {
			words := strings.Fields(flags)
			for _, command := range []string{"create", "run"} {
				args := append(append([]string{command}, words...), "localhost:1/none", "true")
				r := e.Run(t, args...).Exits(t, 125)
				if strings.Contains(r.Err, "localhost:1") || lines(r.Err) > 2 {
					t.Errorf("want one line about %s: %s", flags, r)
				}
			}
		}
		for _, flags := range []string{"-u nobody-known", "--group-add nobody-known", "--entrypoint x"} { // which the image may know
			e.Run(t, append(append([]string{"create"}, strings.Fields(flags)...), "localhost:1/none")...).Exits(t, 125).Says(t, "localhost:1")
		}
		e.Run(t, "create", "localhost:1/none").Exits(t, 125).Says(t, "localhost:1") // it may have a command
	})
}
