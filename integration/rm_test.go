package integration

import (
	"testing"
)

func TestRm(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, name, "running")
		e.Want(t, name, "rm", "-f", name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, name)
		e.Run(t, "rm", "-f", name).Exits(t, 0) // as Docker since 20.10: already gone is fine with -f
	})
}
