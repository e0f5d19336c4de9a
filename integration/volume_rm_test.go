package integration

import (
	"sync"
	"testing"
)

func TestVolumeRmInUse(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c, name := e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", c, "-v", name+":/data", Image, "true")
		id := e.OK(t, "inspect", "-f", "{{.Id}}", c)
		for _, args := range [][]string{{"volume", "rm", name}, {"volume", "rm", "-f", name}} {
			e.Run(t, args...).Exits(t, 1).Says(t, name, "in use", id)
		}
		e.OK(t, "volume", "prune", "-af", "--filter", "label=none-has-this")
		e.Want(t, name, "volume", "ls", "-q", "--filter", "name="+name, "--filter", "dangling=false")
		e.OK(t, "rm", c)
		e.Want(t, name, "volume", "ls", "-q", "--filter", "name="+name, "--filter", "dangling=true")
		e.Want(t, name, "volume", "rm", name)
		e.Want(t, name, "volume", "rm", "-f", name) // gone is what was asked for
		e.Run(t, "volume", "rm", name).Exits(t, 1).Says(t, "no such volume")
	})
}

// A volume that is removed again and again while containers are started with it:
// each of them has it whole.
func TestVolumeRmAgainstRun(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.OK(t, "volume", "create", name)
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				e.Cmd("volume", "rm", name).Do()
			}
		}
	})
	for range 15 {
		e.OK(t, "run", "--rm", "--network", "none", "-v", name+":/etc/apk", Image, "test", "-e", "/etc/apk/world")
	}
	close(done)
	all.Wait()
	e.Run(t, "volume", "rm", "-f", name)
}
