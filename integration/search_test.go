package integration

import "testing"

func TestSearch(t *testing.T) {
	Need(t, DockerRegistry)
	registry := StartRegistry(t)
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	for _, name := range []string{"team/web", "team/db"} {
		e.OK(t, "tag", Image, registry.Addr+"/"+name)
		e.OK(t, "push", "-q", registry.Addr+"/"+name)
	}
	e.Want(t, registry.Addr+"/team/web", "search", "--format", "{{.Name}}", registry.Addr+"/web")
	e.Want(t, registry.Addr+"/team/db\n"+registry.Addr+"/team/web", "search", "--format", "{{.Name}}", registry.Addr+"/team")
}
