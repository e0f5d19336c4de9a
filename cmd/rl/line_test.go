package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// lineFlags stand for those of run.
type lineFlags struct {
	Detach  bool     `short:"d"`
	TTY     bool     `name:"tty" short:"t"`
	Env     []string `short:"e" sep:"none"`
	Publish []string `short:"p" sep:"none"`
	Name    string
	Network string   `aliases:"net"`
	Args    []string `arg:"" passthrough:"partial" optional:""`
}

func lineParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(command{name: "x"}, new(lineFlags))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

func TestReadLine(t *testing.T) {
	parser := lineParser(t)
	for _, tt := range []struct {
		line, awaits string
		operands     int
		passing      bool
	}{
		{"", "", 0, false},
		{"-dt", "", 0, false},
		{"-dte", "env", 0, false},
		{"-e", "env", 0, false},
		{"-e x", "", 0, false},
		{"-ephp", "", 0, false}, // php is the value
		{"-te=p", "", 0, false},
		{"--name", "name", 0, false},
		{"--name=p", "", 0, false},
		{"--name --tty", "", 0, false}, // as Docker: the next word, whatever it is
		{"--net", "network", 0, false},
		{"--unknown", "", 0, false},
		{"-x", "", 0, false},
		{"-", "", 1, true},
		{"image -p", "", 2, true},
		{"--", "", 0, true},
		{"-- -p", "", 1, true},
	} {
		s := readLine(parser, strings.Fields(tt.line))
		awaits := ""
		if s.awaits != nil {
			awaits = s.awaits.Name
		}
		if awaits != tt.awaits || s.operands != tt.operands || s.passing != tt.passing {
			t.Errorf("%q: awaits %q, %d operands, passing %v", tt.line, awaits, s.operands, s.passing)
		}
	}
}

func TestDockerWords(t *testing.T) {
	parser := lineParser(t)
	for line, want := range map[string]string{
		"-e=A=b":               "-eA=b",
		"-te=A=b":              "-teA=b",
		"-e A=b":               "-e A=b",
		"-eA=b":                "-eA=b",
		"-d=true image":        "--detach=true image",
		"-dt=true image":       "-d --tty=true image",
		"--name=x":             "--name=x",
		"-e -p=1":              "-e -p=1", // the value of -e
		"image -e=A":           "image -e=A",
		"-- -e=A":              "-- -e=A",
		"-x=1":                 "-x=1",
		"-=1":                  "-=1",
		"-p=80:80 -d image -p": "-p80:80 -d image -p",
	} {
		if got := dockerWords(parser, strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestWantsHelp(t *testing.T) {
	parser := lineParser(t)
	for line, want := range map[string]bool{
		"": false, "--help": true, "-h": true, "-d --help": true, "--name x --help": true, "--name --help": false,
		"image --help": false, "-- --help": false, "-e -h": false,
	} {
		if got := wantsHelp(parser, strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	run, _, err := find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	if parser, err = newParser(run, run.new()); err != nil || wantsHelp(parser, []string{"-h", "name"}) {
		t.Errorf("%v: -h is not the host name in run", err)
	}
}
