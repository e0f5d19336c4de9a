package integration

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// documented reads a section of docs/inspect.md: what it says of each field.
func documented(t *testing.T, title string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/inspect.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("no section %q", title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	said := map[string]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 2 && strings.HasPrefix(cells[1], " `") {
			said[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
		}
	}
	return said
}

// walkFields calls field for every field of an object; what the document has
// as a whole is one.
func walkFields(prefix string, object map[string]any, said map[string]string, field func(name string, value any)) {
	for name, value := range object {
		inner, isObject := value.(map[string]any)
		if isObject && said[prefix+name] == "" && len(inner) > 0 {
			walkFields(prefix+name+".", inner, said, field)
			continue
		}
		field(prefix+name, value)
	}
}

// What the program prints has the fields that the document says, and no others;
// those that are said to be empty are.
func TestInspectIsAsDocumented(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, volume := e.Name(t), e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "-p", "127.0.0.1:0:80", "-v", volume+":/v", "--label", "a=b", "--tmpfs", "/t", "--init",
			"-m", "64m", Image, "sleep", "1000")
		network := e.network(t, "--ipv6", "--internal", "--label", "a=b", "-o", "mtu=1400")
		e.sleeper(t, "--network", network)
		for _, tt := range []struct {
			title string
			args  []string
		}{
			{"Container", []string{"inspect", "-s", name}}, {"Container", []string{"container", "inspect", name}},
			{"Image", []string{"image", "inspect", Image}}, {"Image", []string{"inspect", "--type", "image", Image}},
			{"Volume", []string{"volume", "inspect", volume}}, {"Volume", []string{"inspect", "--type", "volume", volume}},
			{"Network", []string{"network", "inspect", network}}, {"Network", []string{"inspect", "--type", "network", network}},
			{"Info", []string{"info", "-f", "json"}}, {"Version", []string{"version", "-f", "json"}},
		} {
			var object map[string]any
			text := strings.TrimSuffix(strings.TrimPrefix(e.OK(t, tt.args...), "["), "]")
			if err := json.Unmarshal([]byte(text), &object); err != nil {
				t.Fatalf("%v: %v", tt.args, err)
			}
			said := documented(t, tt.title)
			walkFields("", object, said, func(field string, value any) {
				if said[field] != "filled" && said[field] != "empty" {
					t.Errorf("%s: %s is said to be %q", tt.title, field, said[field])
				}
				if text, _ := json.Marshal(value); said[field] == "empty" && !strings.Contains(`null "" 0 false [] {} [0,0] "0001-01-01T00:00:00Z"`, string(text)) {
					t.Errorf("%s: %s is said to be empty and is %s", tt.title, field, text)
				}
			})
		}
	})
}

// Templates that scripts give to Docker.
func TestVersionAndInfoAnswerScripts(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, template := range []string{"{{.Server.Version}}", "{{.Client.Version}}", "{{.Server.APIVersion}}", "{{.Client.APIVersion}}",
			"{{.Server.Os}}/{{.Server.Arch}}", "{{.Server.Platform.Name}}", "{{.Server.KernelVersion}}",
			"{{range .Server.Components}}{{.Name}} {{.Version}}{{end}}", "{{json .Server}}"} {
			if got := e.OK(t, "version", "--format", template); got == "" || strings.Contains(got, "no value") {
				t.Errorf("version %s: %q", template, got)
			}
		}
		for _, template := range []string{"{{.ServerVersion}}", "{{.OSType}}", "{{.Architecture}}", "{{.CgroupVersion}}", "{{.CgroupDriver}}",
			"{{.Driver}}", "{{.NCPU}}", "{{.MemTotal}}", "{{.DockerRootDir}}", "{{.SecurityOptions}}", "{{.Swarm.LocalNodeState}}",
			"{{range $name, $r := .Runtimes}}{{$name}}{{end}}", "{{.DefaultRuntime}}", "{{.KernelVersion}}", "{{.ID}}"} {
			if got := e.OK(t, "info", "--format", template); got == "" || strings.Contains(got, "no value") {
				t.Errorf("info %s: %q", template, got)
			}
		}
		e.Run(t, "version", "-f", "{{.Nonsense}}").Exits(t, 125).Says(t, "Nonsense")
		e.Run(t, "info", "-f", "{{.Nonsense}}").Exits(t, 125).Says(t, "Nonsense")
	})
}
