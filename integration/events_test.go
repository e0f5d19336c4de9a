package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// happened returns what `rl events` has stored about one container, by name,
// as actions without what follows a colon.
func (e *Env) happened(t *testing.T, name string, args ...string) []string {
	t.Helper()
	args = append([]string{"events", "--until", "now", "--filter", "container=" + name, "--format", "{{.Action}}"}, args...)
	var actions []string
	for line := range strings.Lines(e.OK(t, args...) + "\n") {
		action, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		actions = append(actions, action)
	}
	return actions
}

func wantActions(t *testing.T, got []string, want string) {
	t.Helper()
	if g := strings.Join(got, " "); g != want {
		t.Errorf("it happened\n     %s\nwant %s", g, want)
	}
}

func TestEventsOfAContainersLife(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Run(t, "run", "--name", name, Image, "sh", "-c", "exit 3").Exits(t, 3)
		e.OK(t, "rm", name)
		wantActions(t, e.happened(t, name), "create attach start die destroy")
		got := e.OK(t, "events", "--until", "now", "--filter", "container="+name, "--filter", "event=die", "--format", "{{.Actor.Attributes.exitCode}} {{.From}} {{.Status}}")
		if got != "3 "+Image+" die" {
			t.Errorf("the end is told as %q", got)
		}
	})
}

func TestEventsOfStopKillAndRestart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.OK(t, "stop", name)
		e.OK(t, "start", name)
		e.OK(t, "restart", "-t", "0", name)
		e.OK(t, "kill", "-s", "USR1", name)
		e.OK(t, "rm", "-f", name)
		wantActions(t, e.happened(t, name), "create start kill die stop start kill die stop start restart kill kill die destroy")
		signals := e.OK(t, "events", "--until", "now", "--filter", "container="+name, "--filter", "event=kill", "--format", "{{.Actor.Attributes.signal}}")
		if want := "15\n9\n10\n9"; signals != want {
			t.Errorf("signals %q, want %q", signals, want)
		}
	})
}

func TestEventsOfExec(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.Run(t, "exec", name, "sh", "-c", "exit 4").Exits(t, 4)
		e.Run(t, "exec", name, "no-such-command").Exits(t, 127)
		got := e.OK(t, "events", "--until", "now", "--filter", "container="+name,
			"--filter", "event=exec_create", "--filter", "event=exec_start", "--filter", "event=exec_die",
			"--format", "{{.Action}} {{.Actor.Attributes.exitCode}}")
		want := "exec_create: sh -c exit 4 <no value>\nexec_start: sh -c exit 4 <no value>\nexec_die 4\nexec_create: no-such-command <no value>\nexec_die 127"
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		e.OK(t, "rm", "-f", name)
	})
}

func TestEventsOfImages(t *testing.T) {
	Need(t, RealImages)
	e := AsUser(t)
	tag := "events-test:1"
	e.OK(t, "tag", Image, tag)
	e.OK(t, "rmi", tag)
	got := e.OK(t, "events", "--until", "now", "--filter", "type=image", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
	for _, want := range []string{"load alpine:3.20", "tag " + tag, "untag " + tag} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// A reader that was there before sees everything, whoever does it.
func TestEventsFollowSeveralProcesses(t *testing.T) {
	e := AsUser(t)
	label := e.Name(t)
	const many = 8
	p := e.Cmd("events", "--since", "10m", "--filter", "label=test="+label, "--filter", "event=destroy", "--format", "gone {{.Actor.ID}}").Start(t)
	var all sync.WaitGroup
	for range many {
		all.Go(func() { e.Cmd("run", "--rm", "--network", "none", "-l", "test="+label, Image, "true").Do() })
	}
	all.Wait()
	for range many {
		p.Expect(t, "gone ")
	}
	p.Signal(t, os.Interrupt)
	if code := p.Wait(t).Code; code != 0 {
		t.Errorf("told to end, it ended with %d", code)
	}
}

func TestEventsFormats(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.OK(t, "create", "--name", name, "-l", "colour=red", Image, "true")
	id := e.OK(t, "inspect", "-f", "{{.Id}}", name)
	line := e.OK(t, "events", "--until", "now", "--filter", "container="+name)
	if want := fmt.Sprintf(" container create %s (colour=red, image=%s, name=%s)", id, Image, name); !strings.HasSuffix(line, want) {
		t.Errorf("line %q does not end with %q", line, want)
	}
	var event struct {
		Status, ID, From, Type, Action, Scope string
		Actor                                 struct {
			ID         string
			Attributes map[string]string
		}
		Time, TimeNano int64
	}
	text := e.OK(t, "system", "events", "--until", "now", "--filter", "container="+name, "--format", "json")
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatal(err)
	}
	if event.Status != "create" || event.ID != id || event.From != Image || event.Type != "container" || event.Scope != "local" ||
		event.Actor.ID != id || event.Actor.Attributes["colour"] != "red" || event.Time != event.TimeNano/1e9 {
		t.Errorf("as JSON: %s", text)
	}
	e.OK(t, "rm", name)
}

func TestEventsBadInput(t *testing.T) {
	e := AsUser(t)
	for _, tt := range []struct {
		args  string
		words []string
	}{
		{"--since yesterday", []string{"yesterday", "10m"}},
		{"--until never", []string{"never"}},
		{"--since 1m --until 1h", []string{"before"}},
		{"--filter colour=red", []string{"colour", "container"}},
		{"--filter type", []string{"type=VALUE"}},
		{"--format {{.Colour}}", []string{"Colour"}},
		{"--format {{", []string{"template"}},
		{"extra", []string{"extra"}},
	} {
		r := e.Run(t, append([]string{"events"}, strings.Fields(tt.args)...)...).Exits(t, 125).Says(t, tt.words...)
		if r.Out != "" || lines(r.Err) > 2 {
			t.Error(r)
		}
	}
}

func TestEventsSince(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.OK(t, "create", "--name", name, Image, "true")
	when := e.OK(t, "events", "--until", "now", "--filter", "container="+name, "--format", "{{.TimeNano}}")
	after := when[:len(when)-9] + "." + when[len(when)-9:]
	if got := e.happened(t, name, "--since", after); !slices.Contains(got, "create") {
		t.Errorf("since its own time: %v", got)
	}
	e.OK(t, "rm", name)
	if got := strings.Join(e.happened(t, name, "--since", "1h"), " "); got != "create destroy" {
		t.Errorf("since an hour: %s", got)
	}
}
