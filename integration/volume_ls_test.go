package integration

import (
	"strings"
	"testing"
)

func TestVolumeLsFormats(t *testing.T) {
	e := AsUser(t)
	a, b := e.Name(t), e.Name(t)
	e.OK(t, "volume", "create", "--label", "test="+a, "--label", "x=1", a)
	e.OK(t, "volume", "create", "--label", "test="+a, b)
	if got := strings.Fields(e.OK(t, "volume", "ls", "--filter", "label=test="+a)); strings.Join(got[:3], " ") != "DRIVER VOLUME NAME" || got[3] != "local" {
		t.Errorf("the table begins with %v", got[:4])
	}
	e.Want(t, a, "volume", "ls", "--filter", "label=x=1", "--filter", "label=test", "--format", "{{.Name}}")
	e.Want(t, "1 local test="+a+",x=1", "volume", "ls", "--filter", "name="+a, "--format", `{{.Label "x"}} {{.Scope}} {{.Labels}}`)
	if got := e.OK(t, "volume", "ls", "--filter", "name="+a, "--format", "json"); !strings.Contains(got, `"Name":"`+a+`"`) {
		t.Errorf("as JSON: %s", got)
	}
	e.Run(t, "volume", "ls", "--format", "{{.Colour}}").Exits(t, 125).Says(t, "Colour")
	e.OK(t, "volume", "rm", a, b)
}
