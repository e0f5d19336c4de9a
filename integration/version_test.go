package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	e := AsUser(t)
	version := e.OK(t, "version", "-f", "{{.Client.Version}}")
	if version == "" || version != e.OK(t, "version", "--format", "{{.Server.Version}}") {
		t.Errorf("version %q", version)
	}
	e.Want(t, "rl version "+version, "--version")
	if text := e.OK(t, "version"); !strings.Contains(text, version) || !strings.Contains(text, "linux/") {
		t.Error(text)
	}
	var report struct {
		Client, Server struct{ Version, Os, Arch string }
	}
	text := e.OK(t, "version", "--format", "json")
	if err := json.Unmarshal([]byte(text), &report); err != nil || report.Server.Version != version || report.Client.Os != "linux" {
		t.Errorf("%v: %s", err, text)
	}
}
