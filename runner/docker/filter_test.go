package docker

import (
	"strings"
	"testing"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

func TestFilters(t *testing.T) {
	up := view(t, spec.Options{Volumes: []string{"/home/ann:/a", "data:/b"}, Labels: []string{"k=v", "empty="}})
	down := up
	down.Status, down.ExitCode = runner.Exited, 3
	down.Options.Network = "none"
	for _, tt := range []struct {
		filters  string
		up, down bool
	}{
		{"", true, true},
		{"id=0123", true, true},
		{"id=123", false, false},
		{"name=we", true, true},
		{"name=^web$", true, true},
		{"name=^/web$", true, true},
		{"name=^eb", false, false},
		{"name=x name=web", true, true},
		{"label=k", true, true},
		{"label=k=v", true, true},
		{"label=k=w", false, false},
		{"label=empty=", true, true},
		{"label=k label=other", false, false},
		{"label=from=image label=k", true, true},
		{"status=running", true, false},
		{"status=exited", false, true},
		{"status=exited status=running", true, true},
		{"status=dead", false, false},
		{"exited=3", false, true},
		{"exited=0", false, false},
		{"exited=0 exited=3", false, true},
		{"ancestor=alpine", true, true},
		{"ancestor=docker.io/library/alpine:latest", true, true},
		{"ancestor=alpine:3", false, false},
		{"ancestor=" + testImage[:6], true, true},
		{"ancestor=sha256:" + testImage, true, true},
		{"volume=data", true, true},
		{"volume=/a", true, true},
		{"volume=/a/", true, true},
		{"volume=/home/ann", true, true},
		{"volume=/c", false, false},
		{"network=bridge", true, false},
		{"network=none", false, true},
		{"publish=8080", true, false},
		{"publish=8080/tcp", true, false},
		{"publish=8000-9000/tcp", true, false},
		{"publish=8080/udp", false, false},
		{"publish=80", false, false},
		{"expose=80", true, true},
		{"expose=50-60/udp", true, true},
		{"expose=53", false, false},
		{"health=none", true, true},
		{"health=healthy", false, false},
		{"name=web status=exited", false, true},
	} {
		f, err := ParseFilters(store, strings.Fields(tt.filters))
		if err != nil {
			t.Errorf("%s: %v", tt.filters, err)
			continue
		}
		if got := f.Match(up); got != tt.up {
			t.Errorf("%s: the running container: %v", tt.filters, got)
		}
		if got := f.Match(down); got != tt.down {
			t.Errorf("%s: the ended container: %v", tt.filters, got)
		}
	}
}

// What Glance leaves out must not be filtered by.
func TestFiltersSayWhatTheyNeed(t *testing.T) {
	for filter, want := range map[string]Filter{
		"status=exited": {All: true}, "ancestor=alpine": {Whole: true}, "volume=/a": {Whole: true}, "name=x": {}, "exited=1": {},
	} {
		f, err := ParseFilters(store, []string{filter})
		if err != nil || f.All != want.All || f.Whole != want.Whole {
			t.Errorf("%s: %v, %+v", filter, err, f)
		}
	}
}

func TestFiltersRefuse(t *testing.T) {
	empty := runner.Store{Dirs: dirs.Dirs{Data: t.TempDir()}}
	for filter, words := range map[string]string{
		"colour=red":     `unknown filter "colour": there are id, name,`,
		"name":           "not like name=VALUE",
		"name=(":         "name=(",
		"status=asleep":  "created, restarting, running",
		"exited=no":      "exit code",
		"publish=x":      "PORT",
		"publish=9-8":    "PORT",
		"publish=70000":  "PORT",
		"expose=-1":      "PORT",
		"health=so-so":   "healthy",
		"before=no-such": "no-such",
		"since=no-such":  "no-such",
		"ancestor=A B":   "ancestor",
	} {
		_, err := ParseFilters(empty, []string{filter})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

func TestFilterNames(t *testing.T) {
	for _, name := range FilterNames() {
		if makers[name] == nil {
			t.Errorf("%s is listed and not known", name)
		}
	}
	if len(FilterNames()) != len(makers) {
		t.Error("a filter is not listed")
	}
}
