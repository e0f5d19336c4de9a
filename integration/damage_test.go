package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a power cut leaves of a container's files is seen, named and removed, and
// no other container suffers from it.
func TestDamagedContainerIsDead(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, file := range []string{"config.json", "state.json"} {
			name, other := e.Name(t), e.Name(t)
			e.OK(t, "run", "--network", "none", "--name", name, Image, "true")
			id := e.OK(t, "inspect", "-f", "{{.Id}}", name)
			e.OK(t, "run", "--network", "none", "--name", other, Image, "true")
			if err := os.Truncate(filepath.Join(e.Data(), "containers", id, file), 0); err != nil {
				t.Fatal(err)
			}
			list := e.OK(t, "ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}")
			if !strings.Contains(list, name+" dead Dead") || !strings.Contains(list, other+" exited Exited (0)") {
				t.Errorf("%s: ps says %q", file, list)
			}
			e.Want(t, name, "ps", "-a", "--filter", "status=dead", "--format", "{{.Names}}")
			e.Run(t, "start", name).Exits(t, 1).Says(t, name, "damaged", "rl rm")
			e.Run(t, "inspect", name).Exits(t, 1)
			e.Want(t, name, "rm", name)
			e.OK(t, "create", "--name", name, Image, "true")
			e.OK(t, "rm", name, other)
		}
	})
}

// A service that was killed with its monitor starts again under its name.
func TestLostContainerGivesItsNameBack(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name, "--rm", "-v", "/anonymous")
		monitor, err := strconv.Atoi(parentOf(t, e.OK(t, "inspect", "-f", "{{.State.Pid}}", name)))
		if err != nil {
			t.Fatal(err)
		}
		e.Run(t, "run", "--rm", "--name", name, Image, "true").Exits(t, 125).Says(t, "in use")
		if err := unix.Kill(monitor, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		WaitGone(t, monitor)
		e.Want(t, "again", "run", "--rm", "--name", name, Image, "echo", "again")
		e.Want(t, "", "ps", "-aq", "--filter", "name=^"+name+"$")
		e.OK(t, "create", "--rm", "--name", name, Image, "true")
		e.Run(t, "run", "--rm", "--name", name, Image, "true").Exits(t, 125).Says(t, "in use")
		e.OK(t, "rm", name)
	})
}

// A session that su or sudo began has the runtime folder of somebody else.
func TestRuntimeDirOfSomebodyElse(t *testing.T) {
	e := AsUser(t)
	e.Cmd("images", "-q").Set("XDG_RUNTIME_DIR=/root").Run(t).OK(t)
	e.Cmd("run", "--rm", "--network", "none", Image, "true").Set("XDG_RUNTIME_DIR=/root").Run(t).OK(t)
}
