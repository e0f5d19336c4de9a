package integration

import (
	"strings"
	"testing"
)

func TestTop(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", "sleep 1234 & echo ready; wait")
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "ready")
		e.OK(t, "exec", "-d", name, "sleep", "4321")
		lines := strings.Split(e.OK(t, "top", name), "\n")
		if strings.Join(strings.Fields(lines[0]), " ") != "UID PID PPID C STIME TTY TIME CMD" || len(lines) != 4 {
			t.Errorf("%q", lines)
		}
		for _, command := range []string{"sleep 1234", "sleep 4321", "wait"} {
			if !strings.Contains(strings.Join(lines, "\n"), command) {
				t.Errorf("no %q in %q", command, lines)
			}
		}
		e.Want(t, "PID\n"+e.OK(t, "inspect", "-f", "{{.State.Pid}}", name), "top", name, "-C", "sh", "-o", "pid")
		e.Run(t, "top", name, "-o", "comm").Exits(t, 1).Says(t, "PID")
		e.Run(t, "top", name, "--nonsense").Exits(t, 1).Says(t, "ps --nonsense")
	})
}

// On a machine without ps, /proc is read.
func TestTopWithoutPs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		out := e.Cmd("top", name).Set("PATH=/nowhere").Run(t).OK(t)
		if !strings.Contains(out, "trap") || !strings.Contains(out, "UID") {
			t.Error(out)
		}
		e.Cmd("top", name, "aux").Set("PATH=/nowhere").Run(t).Exits(t, 1).Says(t, "no ps", "procps")
	})
}

func TestTopBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.Run(t, "top").Exits(t, 125).Says(t, "CONTAINER")
		e.Run(t, "top", "--").Exits(t, 125).Says(t, "container")
		e.Run(t, "top", "-o", name).Exits(t, 125).Says(t, "-o")
		e.Run(t, "top", "no-such-one").Exits(t, 1).Says(t, "no-such-one")
		e.Run(t, "top", name).Exits(t, 1).Says(t, "not running")
	})
}
