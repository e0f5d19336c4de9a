package integration

import (
	"regexp"
	"strings"
	"testing"
)

func TestStats(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		busy, idle := e.Name(t), e.Name(t)
		e.OK(t, "run", "-d", "--name", busy, Image, "sh", "-c", "while :; do :; done")
		e.OK(t, "create", "--name", idle, Image, "true")
		table := e.OK(t, "stats", "--no-stream", busy, idle)
		lines := strings.Split(table, "\n")
		if len(lines) != 3 || strings.Join(strings.Fields(lines[0]), " ") != "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS" {
			t.Fatal(table)
		}
		form := regexp.MustCompile(`^[0-9a-f]{12} +` + regexp.QuoteMeta(busy) +
			` +[1-9][0-9]*\.[0-9]{2}% +[0-9.]+[KM]iB / [0-9.]+[GT]iB +[0-9]+\.[0-9]{2}% +[0-9.]+[kM]?B / [0-9.]+[kM]?B +[0-9.]+[kMG]?B / [0-9.]+[kMG]?B +1 *$`)
		if !form.MatchString(lines[1]) {
			t.Errorf("%q", lines[1])
		}
		if got := strings.Join(strings.Fields(lines[2])[1:], " "); got != idle+" 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0" {
			t.Errorf("%q", lines[2])
		}
		id := e.OK(t, "inspect", "-f", "{{.Id}}", busy)
		e.Want(t, id+" "+id[:5], "stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Container}}", id[:5])
		if json := e.OK(t, "stats", "--no-stream", "--format", "json", busy); !strings.Contains(json, `"Name":"`+busy+`"`) {
			t.Error(json)
		}
		names := e.OK(t, "stats", "--no-stream", "-a", "--format", "{{.Name}}")
		if !strings.Contains(names, busy) || !strings.Contains(names, idle) {
			t.Errorf("-a shows %q", names)
		}
		if names := e.OK(t, "stats", "--no-stream", "--format", "{{.Name}}"); strings.Contains(names, idle) {
			t.Errorf("what does not run is shown: %q", names)
		}
	})
}

// The live table goes on until it is interrupted, and shows what comes and goes.
func TestStatsLive(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		live := e.Cmd("stats", "--format", "table {{.Name}}\t{{.PIDs}}").Start(t)
		live.Expect(t, "PIDS")
		e.OK(t, "run", "-d", "--name", name, Image, "sleep", "1000")
		live.Expect(t, name)
	})
}

func TestStatsBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		e.Run(t, "stats", "--no-stream", "no-such-one").Exits(t, 1).Says(t, "no-such-one")
		e.Run(t, "stats", "--no-stream", "--format", "{{.Nonsense}}").Exits(t, 125).Says(t, "Nonsense")
		e.Run(t, "stats", "--no-steam").Exits(t, 125).Says(t, "--no-stream")
	})
}
