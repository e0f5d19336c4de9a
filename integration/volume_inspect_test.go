package integration

import (
	"strings"
	"testing"
)

func TestVolumeInspect(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b := e.Name(t), e.Name(t)
		e.OK(t, "volume", "create", "--label", "k=v", "--label", "empty", a)
		e.OK(t, "volume", "create", b)
		e.Want(t, a+" local local v\n"+b+" local local ", "volume", "inspect", "-f", `{{.Name}} {{.Driver}} {{.Scope}} {{index .Labels "k"}}`, a, b)
		e.Want(t, `{"empty":"","k":"v"}`, "volume", "inspect", "--format", "{{json .Labels}}", a)
		mountpoint := e.OK(t, "volume", "inspect", "-f", "{{.Mountpoint}}", a)
		e.OK(t, "run", "--rm", "--network", "none", "-v", a+":/data", Image, "touch", "/data/here")
		e.Tool("test", "-e", mountpoint+"/here").Run(t).OK(t)
		e.OK(t, "volume", "rm", a, b)
	})
}

// What is found is shown although something else is not; a name is whole.
func TestVolumeInspectUnknown(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "volume", "create", name)
		r := e.Run(t, "volume", "inspect", "-f", "{{.Name}}", "no-such-one", name, name[:len(name)-1]).Exits(t, 1).Says(t, "no such volume: no-such-one")
		if r.Out != name+"\n" || strings.Count(r.Err, "no such volume") != 2 {
			t.Error(r)
		}
		if r := e.Run(t, "volume", "inspect", "no-such-one").Exits(t, 1); strings.TrimSpace(r.Out) != "[]" {
			t.Error(r)
		}
		e.Run(t, "volume", "inspect", "-f", "{{.Nonsense}}", name).Exits(t, 125).Says(t, "Nonsense", "Mountpoint")
		e.OK(t, "volume", "rm", name)
	})
}
