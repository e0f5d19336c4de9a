package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page returns what rl prints for a command line.
func page(t *testing.T, args ...string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if code := run(&app{stdout: out, stderr: os.Stderr}, append([]string{"rl"}, args...)); code != 0 {
		t.Fatalf("rl %s ends with %d", strings.Join(args, " "), code)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func visible() []command {
	return slices.DeleteFunc(slices.Clone(commands), func(c command) bool { return c.group == "" })
}

func TestEveryCommandHasAPage(t *testing.T) {
	for _, c := range visible() {
		text := page(t, "help", c.name)
		if text != page(t, append(strings.Fields(c.name), "--help")...) {
			t.Errorf("%s: `help %s` and `%s --help` differ", c.name, c.name, c.name)
		}
		if c.summary == "" || strings.HasSuffix(c.summary, ".") || len(c.summary) > 84 {
			t.Errorf("%s: summary %q", c.name, c.summary)
		}
		if len(c.examples) != 2 {
			t.Errorf("%s: %d examples", c.name, len(c.examples))
		}
		for line := range strings.Lines(text) {
			if len(line) > maxPageWidth {
				t.Errorf("%s: a line of %d columns: %s", c.name, len(line), line)
			}
		}
		for _, f := range flagsOf(t, c) {
			if f.Help == "" || !strings.HasSuffix(f.Help, ".") {
				t.Errorf("%s --%s: help %q", c.name, f.Name, f.Help)
			}
		}
	}
}

// What is shown as an example has to be accepted.
func TestExamples(t *testing.T) {
	for _, c := range visible() {
		for _, example := range c.examples {
			args := exampleArgs(example)
			if args == nil {
				t.Errorf("%s: no rl in %q", c.name, example)
				continue
			}
			cmd, rest, err := find(args)
			if err != nil || cmd.name != c.name {
				t.Errorf("%q is about %q: %v", example, cmd.name, err)
				continue
			}
			if err := parse(&app{stdout: os.Stdout}, cmd, cmd.new(), rest); err != nil {
				t.Errorf("%q: %v", example, err)
			}
		}
	}
}

// exampleArgs finds the arguments of rl in a shell command, as far as examples
// need a shell.
func exampleArgs(line string) []string {
	line = regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(line, "x")
	_, line, found := strings.Cut(" "+strings.ReplaceAll(line, "(", " "), " rl ")
	if !found {
		return nil
	}
	var args []string
	for line != "" {
		line = strings.TrimLeft(line, " ")
		if line == "" || strings.ContainsRune("|>)", rune(line[0])) {
			break
		}
		end := strings.IndexAny(line+" ", " )")
		if quote := line[:1]; quote == "'" {
			end = strings.Index(line[1:], quote) + 1
			args, line = append(args, line[1:end]), line[end+1:]
			continue
		}
		args, line = append(args, line[:end]), line[min(end, len(line)):]
	}
	return args
}

func TestOverview(t *testing.T) {
	text := page(t)
	if text != page(t, "--help") || text != page(t, "help") || text != page(t, "help", "--help") || text != page(t, "help", "help") {
		t.Error("rl, rl help and rl --help differ")
	}
	for _, c := range visible() {
		if listed := strings.Contains(text, "\n  "+c.name+" "); listed == hasShorterName(c) {
			t.Errorf("%s: listed %v", c.name, listed)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > maxPageWidth {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}

func TestNouns(t *testing.T) {
	text := page(t, "image")
	if text != page(t, "image", "--help") || text != page(t, "help", "image") {
		t.Error("rl image, rl image --help and rl help image differ")
	}
	for _, verb := range []string{"ls", "rm", "pull", "inspect"} {
		if strings.Count(text, "\n  "+verb+" ") != 1 {
			t.Errorf("%s is not listed once:\n%s", verb, text)
		}
	}
	if strings.Contains(text, "\n  remove ") {
		t.Error("an alias is listed")
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"one", "one"},
		{"one two three", "one two|three"},
		{"one  two\nthree", "one two|three"},
		{"overlongword a b", "overlongword|a b"},
	} {
		if got := strings.Join(wrap(tt.text, 7), "|"); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestFlagForms(t *testing.T) {
	var out bytes.Buffer
	cmd := command{name: "x", summary: "X", usage: "[flags]"}
	parser, err := newParser(cmd, &struct {
		Plain  bool          `short:"p" help:"Plain."`
		Proxy  bool          `default:"true" negatable:"" help:"Proxy."`
		When   string        `enum:"now,never" default:"now" help:"When."`
		Size   string        `placeholder:"BYTES" default:"64m" help:"Size."`
		Number int           `default:"-1" help:"Number."`
		Secret bool          `hidden:"" help:"Secret."`
		Init   optionalValue `placeholder:"true|always" help:"Init."`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	printCommandHelp(&out, cmd, parser)
	for _, line := range []string{
		"  -p, --plain                     Plain.\n",
		"      --[no-]proxy                Proxy.\n",
		"      --when now|never            When (now if not given).\n",
		"      --size BYTES                Size (64m if not given).\n",
		"      --number NUMBER             Number.\n",
		"      --init[=true|always]        Init.\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("a hidden flag is shown")
	}
}
