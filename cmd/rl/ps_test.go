package main

import (
	"strings"
	"testing"

	"github.com/rl-project/rl/runner/docker"
)

func TestPsNeedsWhole(t *testing.T) {
	for format, want := range map[string]bool{
		"":                               false,
		"table":                          false,
		"{{.ID}} {{.Names}}":             false,
		"table {{.ID}}\t{{.Ports}}":      false,
		`{{.Label "a.b"}}`:               false,
		"{{json .Names}}":                false,
		"json":                           true,
		"{{json .}}":                     true,
		"{{.}}":                          true,
		"{{printf \"%v\" (json .)}}":     true,
		"{{.ID}} {{.Mounts}}":            true,
		"{{.LocalVolumes}}":              true,
		"{{if .Platform}}{{.ID}}{{end}}": true,
		"{{with .}}{{.ID}}{{end}}":       true,
		"{{. | json}}":                   true,
	} {
		if got := psNeedsWhole(format); got != want {
			t.Errorf("%q: got %v", format, got)
		}
	}
}

func TestPsHelpNamesTheFilters(t *testing.T) {
	for _, f := range flagsOf(t, commandIndex()["ps"]) {
		if f.Name == "filter" && !strings.Contains(f.Help, strings.Join(docker.FilterNames(), ", ")) {
			t.Errorf("%q does not name %v", f.Help, docker.FilterNames())
		}
	}
}
