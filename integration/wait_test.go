package integration

import (
	"testing"
)

func TestWait(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		waiting := e.Cmd("wait", name).Start(t)
		e.OK(t, "kill", "-s", "TERM", name)
		if r := waiting.Wait(t); r.OK(t) != "5" {
			t.Error(r)
		}
	})
}
