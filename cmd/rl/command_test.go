package main

import (
	"os"
	"path/filepath"
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
		"run -rm alpine":    `unknown flag -r, did you mean --rm?`,
		"run -network=x y":  `did you mean --network?`,
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

// Commands whose black-box tests are together with a neighbour's: what one does
// is seen by the other.
var testedWith = map[string]string{
	"container inspect":  "inspect",
	"network disconnect": "network connect",
	"systemd install":    "systemd", "systemd show": "systemd", "systemd enable": "systemd",
	"systemd disable": "systemd", "systemd remove": "systemd", "systemd list": "systemd",
	"kube generate": "kube",
}

// Each command has a file of black-box tests that is named after it, and in
// there cases whose names begin with it.
func TestEveryCommandHasABlackBoxTest(t *testing.T) {
	for _, c := range visible() {
		name := c.name
		if with, ok := testedWith[name]; ok {
			name = with
		}
		words := strings.Fields(name)
		file := filepath.Join("../../integration", strings.Join(words, "_")+"_test.go")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		if test := "\nfunc Test" + strings.Join(words, ""); !strings.Contains(string(text), test) {
			t.Errorf("%s: no test in %s begins with %s", c.name, file, strings.TrimSpace(test))
		}
	}
	for name := range testedWith {
		if _, ok := commandIndex()[name]; !ok {
			t.Errorf("%q is no command", name)
		}
	}
}
