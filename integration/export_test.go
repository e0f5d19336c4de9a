package integration

import (
	"strings"
	"testing"
)

func TestExport(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{true, false} {
			c, dir := e.copied(t, running), e.Folder(t)
			e.Cmd("export", "-o", "all.tar", c).In(dir).Run(t).OK(t)
			list := e.Tool("sh", "-c", "tar -tf all.tar | sed 's,^./,,' | grep -E '^(src|vol|proc|dev)(/|$)' | sort | tr '\n' ' '").In(dir).Run(t).OK(t)
			if want := "dev/ proc/ src/ src/a src/etc src/sub/ src/sub/b vol/"; strings.TrimSpace(list) != want {
				t.Errorf("running %v: got %q, want %q", running, list, want)
			}
			image := strings.ToLower(e.Name(t))
			e.Tool("sh", "-c", e.Prog+" export "+c+" | "+e.Prog+" import - "+image).Run(t).OK(t)
			e.Want(t, "two", "run", "--rm", image, "cat", "/src/sub/b")
		}
		e.Run(t, "export", "no-such-one").Exits(t, 1).Says(t, "no such container")
	})
}
