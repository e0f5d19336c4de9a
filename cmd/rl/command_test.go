package main

import (
	"os"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := commandIndex()
	for typed, want := range map[string]string{
		"rnu": "run", "rn": "run", "strat": "start", "imges": "images", "inspct": "inspect", "pss": "ps", "exce": "exec",
		"container strt": "container start", "image lss": "image ls", "kubernetes": "", "monitro": "", "x": "",
	} {
		if got := nearest(typed, known); got != want {
			t.Errorf("%s: got %q, want %q", typed, got, want)
		}
	}
}

func TestCommandsThatComeLater(t *testing.T) {
	for line, want := range map[string]string{
		"compose up":  `"compose" is a command of Docker's`,
		"containr cp": `"containr" is not a command`,
	} {
		if _, _, err := find(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rl %s: %v", line, err)
		}
	}
	known := commandIndex()
	for _, name := range laterCommands {
		if _, exists := known[name]; exists {
			t.Errorf("rl has %q", name)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"run", "run", 0}, {"rnu", "run", 1}, {"rn", "run", 1}, {"runn", "run", 1},
		{"ran", "run", 1}, {"start", "stop", 3}, {"abcd", "badc", 2},
	} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for line, want := range map[string]string{
		"run --rm --name":   "--name needs a value",
		"run -e":            "--env needs a value",
		"run --cpu-shares":  "--cpu-shares needs a value",
		"run -it --memory":  "--memory needs a value",
		"run --memroy 20m":  `did you mean --memory?`,
		"ps -A":             "unknown flag -A",
		"kill":              "rl kill [flags] CONTAINER [CONTAINER...]",
		"exec":              "rl exec [flags] CONTAINER COMMAND",
		"version x":         "unexpected argument x",
		"completion":        "bash|zsh|fish",
		"completion korn":   "korn",
		"ps --pull-the-rug": "--pull-the-rug",
	} {
		cmd, rest, err := find(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := parse(&app{stdout: os.Stdout}, cmd, cmd.new(), rest); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rl %s: %v", line, err)
		}
	}
}

// What follows the image or container belongs to the command that is run.
func TestFlagsEndAtTheFirstOperand(t *testing.T) {
	for _, line := range []string{"run alpine ls --help", "run alpine --name", "exec web ls -e", "run -- alpine -h", "run --name=x alpine -e"} {
		cmd, rest, err := find(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := parse(&app{stdout: os.Stdout}, cmd, cmd.new(), rest); err != nil {
			t.Errorf("rl %s: %v", line, err)
		}
	}
}
