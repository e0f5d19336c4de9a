package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// Only images are meant, in the order asked for, and what is found is shown
// although something else is not.
func TestImageInspect(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		id := e.OK(t, "image", "inspect", "-f", "{{.Id}}", Image)
		e.Want(t, id+"\n"+id, "image", "inspect", "-f", "{{.ID}}", Image, id[:20])
		if r := e.Run(t, "image", "inspect", "--format", "{{.Id}}", name, Image).Exits(t, 1).Says(t, "no such image: "+name); r.Out != id+"\n" {
			t.Error(r)
		}
		if r := e.Run(t, "image", "inspect", "no-such-one").Exits(t, 1).Says(t, "no such image: no-such-one"); r.Out != "[]\n" {
			t.Error(r)
		}
	})
}

// Templates that scripts give to Docker.
func TestImageInspectAnswersScripts(t *testing.T) {
	e := AsUser(t)
	for template, want := range map[string]string{
		"{{.Os}}":                                   "linux",
		"{{.RootFS.Type}}":                          "layers",
		"{{len .RootFS.Layers}}":                    "1",
		"{{json .Config.Labels}}":                   "null",
		"{{.GraphDriver.Name}}":                     "overlay",
		"{{if .Config.Healthcheck}}yes{{end}}":      "",
		"{{range .Config.Env}}{{println .}}{{end}}": "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
		`{{index .Config.Labels "no.such"}}`:        "",
		"{{.Config.WorkingDir}}":                    "",
	} {
		e.Want(t, want, "image", "inspect", "-f", template, Image)
	}
	if tags := e.OK(t, "image", "inspect", "-f", "{{println .RepoTags}}", Image); !strings.Contains(tags, Image+":latest") { // and what other tests call it
		t.Errorf("tags: %s", tags)
	}
	e.Run(t, "image", "inspect", "-f", "{{.Nonsense}}", Image).Exits(t, 125).Says(t, "Nonsense")
	e.Run(t, "image", "inspect", "-f", "{{", Image).Exits(t, 125)
	var images []map[string]any
	if text := e.OK(t, "image", "inspect", Image); json.Unmarshal([]byte(text), &images) != nil || len(images) != 1 || images[0]["Size"].(float64) < 1 {
		t.Error(text)
	}
}
