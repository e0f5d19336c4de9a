package integration

import (
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.Want(t, name, "stop", name)
		e.Want(t, "5", "wait", name)
		e.Want(t, name, "stop", name) // stopping what does not run is no mistake
	})
}

// What ignores the signal is killed after the time, not before.
func TestStopTime(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sleep", "1000")
		begin := time.Now()
		e.OK(t, "stop", "-t", "1", name)
		if took := time.Since(begin); took < time.Second || took > 8*time.Second {
			t.Errorf("stop -t 1 took %v", took)
		}
		e.Want(t, "137", "wait", name)
	})
}

func TestStopSignal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--stop-signal", "USR1", Image, "sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 1000 & wait $!; done")
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "ready")
		e.OK(t, "stop", name)
		e.Want(t, "9", "wait", name)
	})
}
