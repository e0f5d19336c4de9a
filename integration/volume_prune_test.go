package integration

import (
	"strings"
	"testing"
)

func TestVolumePrune(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "volume", "create", "named")
	e.OK(t, "volume", "create", "--label", "keep", "marked")
	anonymous := e.OK(t, "volume", "create")
	e.OK(t, "create", "--name", "user", "-v", "used:/used", "-v", "/data", Image, "true")
	used := strings.Fields(e.OK(t, "inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", "user"))

	asked := e.Cmd("volume", "prune").Input("").Run(t).OK(t)
	if !strings.HasPrefix(asked, "WARNING! This will remove all anonymous local volumes not used by at least one container.\n") {
		t.Errorf("it asks %q", asked)
	}
	e.Want(t, "Deleted Volumes:\n"+anonymous+"\n\nTotal reclaimed space: 0B", "volume", "prune", "-f")
	e.Want(t, "Deleted Volumes:\nnamed\n\nTotal reclaimed space: 0B", "volume", "prune", "-f", "--filter", "all=1", "--filter", "label!=keep")
	e.Want(t, "Deleted Volumes:\nmarked\n\nTotal reclaimed space: 0B", "volume", "prune", "-af")
	for _, name := range used {
		e.OK(t, "volume", "inspect", name)
	}
	e.OK(t, "rm", "-v", "user")
	e.Want(t, "used", "volume", "ls", "-q")
	e.Want(t, "Deleted Volumes:\nused\n\nTotal reclaimed space: 0B", "volume", "prune", "-af")
}
