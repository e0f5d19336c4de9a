package integration

import (
	"testing"
)

func TestKill(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range []struct{ signal, code string }{
			{"", "137"}, {"TERM", "5"}, {"SIGTERM", "5"}, {"15", "5"}, {"9", "137"},
		} {
			name := e.Name(t)
			e.ready(t, name)
			args := []string{"kill", name}
			if tt.signal != "" {
				args = []string{"kill", "-s", tt.signal, name}
			}
			e.Want(t, name, args...)
			e.Want(t, tt.code, "wait", name)
		}
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.Run(t, "kill", name).Exits(t, 1).Says(t, "not running")
	})
}

// Scripts say `kill C && rm C`: kill returns when the container has ended.
func TestKillThenRemove(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for range 3 {
			name := e.Name(t)
			e.ready(t, name)
			e.Want(t, name, "kill", name)
			e.Want(t, name, "rm", name)
		}
		name := e.Name(t)
		e.ready(t, name, "--rm")
		e.Want(t, name, "kill", name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, "no such container")
	})
}
