package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// parsed reads a command line into the values of its flags.
func parsed(t *testing.T, line ...string) (any, error) {
	t.Helper()
	cmd, rest, err := find(line)
	if err != nil {
		t.Fatal(err)
	}
	flags := cmd.new()
	return flags, parse(&app{stdout: os.Stdout}, cmd, flags, rest)
}

// Flags in all the ways that Docker takes them.
func TestFlagsAsDockerTakesThem(t *testing.T) {
	runs := func(set func(*runCmd)) *runCmd {
		c, err := parsed(t, "run", "alpine") // every flag at its default
		if err != nil {
			t.Fatal(err)
		}
		set(c.(*runCmd))
		return c.(*runCmd)
	}
	both := func(c *runCmd) { c.Interactive, c.TTY = true, true }
	for _, tt := range []struct {
		line string
		want *runCmd
	}{
		{"run alpine", runs(func(*runCmd) {})},
		{"run -it alpine", runs(both)},
		{"run -i -t alpine", runs(both)},
		{"run --interactive --tty alpine", runs(both)},
		{"run --interactive=true --tty=true alpine", runs(both)},
		{"run -it=true alpine", runs(both)},
		{"run -itd alpine", runs(func(c *runCmd) { both(c); c.Detach = true })},
		{"run -dit --rm alpine", runs(func(c *runCmd) { both(c); c.Detach, c.RM = true, true })},
		{"run --rm=false alpine", runs(func(*runCmd) {})},
		{"run --rm --rm=false alpine", runs(func(*runCmd) {})},
		{"run -d=false alpine", runs(func(*runCmd) {})},
		{"run --sig-proxy=false alpine", runs(func(c *runCmd) { c.SigProxy = false })},
		{"run -e A=1 -eB=2 -e=C=3 --env D --env=E=5 alpine", runs(func(c *runCmd) { c.Env = []string{"A=1", "B=2", "C=3", "D", "E=5"} })},
		{"run -itw /x alpine", runs(func(c *runCmd) { both(c); c.Workdir = "/x" })},
		{"run -itw/x alpine", runs(func(c *runCmd) { both(c); c.Workdir = "/x" })},
		{"run --name -it alpine", runs(func(c *runCmd) { c.Name = "-it" })},
		{"run --name= alpine", runs(func(*runCmd) {})},
		{"run --detach-keys= alpine", runs(func(c *runCmd) { c.DetachKeys = "" })},
		{"run --net host --network=none alpine", runs(func(c *runCmd) { c.Network = []string{"host", "none"} })},
		{"run -- alpine", runs(func(c *runCmd) { c.Args = []string{"--", "alpine"} })},
		{"run -i -- alpine -t", runs(func(c *runCmd) { c.Interactive, c.Args = true, []string{"--", "alpine", "-t"} })},
		{"run alpine -it --rm", runs(func(c *runCmd) { c.Args = []string{"alpine", "-it", "--rm"} })},
		{"run alpine sh -c -- x", runs(func(c *runCmd) { c.Args = []string{"alpine", "sh", "-c", "--", "x"} })},
		{"run -m 20m -m 30m alpine", runs(func(c *runCmd) { c.Memory = "30m" })},
		{"container run -c 2 alpine", runs(func(c *runCmd) { c.CPUShares = 2 })},
	} {
		got, err := parsed(t, strings.Fields(tt.line)...)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
		} else if g, w := got.(*runCmd).normal(), tt.want.normal(); !reflect.DeepEqual(g, w) {
			t.Errorf("%s\n got %+v\nwant %+v", tt.line, g, w)
		}
	}
}

// normal makes empty lists nil.
func (c *runCmd) normal() runCmd {
	n := *c
	if len(n.Env) == 0 {
		n.Env = nil
	}
	return n
}

// Flags after the operands of commands that run nothing.
func TestFlagsAfterOperands(t *testing.T) {
	five := 5
	for _, tt := range []struct {
		line string
		want any
	}{
		{"stop web -t 5 db", &stopCmd{stopFlags{Time: &five, Containers: []string{"web", "db"}}}},
		{"stop -t=5 web db", &stopCmd{stopFlags{Time: &five, Containers: []string{"web", "db"}}}},
		{"stop --time 5 web db", &stopCmd{stopFlags{Time: &five, Containers: []string{"web", "db"}}}},
		{"kill -sHUP web", &killCmd{Signal: "HUP", Containers: []string{"web"}}},
		{"kill web --signal=9", &killCmd{Signal: "9", Containers: []string{"web"}}},
		{"wait a b", &waitCmd{Containers: []string{"a", "b"}}},
		{"rename a b", &renameCmd{Container: "a", Name: "b"}},
		{"stats --no-stream a", &statsCmd{NoStream: true, Containers: []string{"a"}}},
		{"pause a -- b -- -c", &pauseCmd{Containers: []string{"a", "b", "--", "-c"}}},
		{"pause -- -a", &pauseCmd{Containers: []string{"-a"}}},
	} {
		got, err := parsed(t, strings.Fields(tt.line)...)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", tt.line, err, got, tt.want)
		}
	}
}

// What is wrong with a line is said in words that help.
func TestFlagsThatAreWrong(t *testing.T) {
	for line, want := range map[string]string{
		"run --nmae x alpine":     "unknown flag --nmae, did you mean --name?",
		"run --memroy=1g alpine":  "unknown flag --memroy, did you mean --memory?",
		"run --detatch alpine":    "did you mean --detach?",
		"run --zzzzzzzz alpine":   "unknown flag --zzzzzzzz",
		"run -y alpine":           "unknown flag -y",
		"run -ity alpine":         "unknown flag -y",
		"run --name":              "--name needs a value",
		"run -e":                  "--env needs a value",
		"run -ite":                "--env needs a value",
		"run --rm=maybe alpine":   "--rm",
		"run --cpu-shares x a":    "--cpu-shares",
		"run --pids-limit= a":     "--pids-limit",
		"stop":                    "something is missing: the form is rl stop",
		"stop -t x web":           "--time",
		"rename a":                "something is missing",
		"ps extra":                "extra",
		"rename a b c":            "c",
		"update --memory":         "--memory needs a value",
		"start --detach-kesy x c": "did you mean --detach-keys?",
		"stats --no-steam":        "did you mean --no-stream?",
	} {
		if _, err := parsed(t, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", line, err)
		}
	}
}
