package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/slirp"
)

// A candidate is a word that would fit at the end of a command line.
type candidate struct{ text, about string }

// anyFile stands for the names of files, which the shell itself completes.
var anyFile = candidate{text: "/"}

// names finds the names of what exists at this moment.
type names interface {
	containerNames(statuses ...runner.Status) []candidate
	imageNames() []candidate
	volumeNames() []candidate
	networkNames() []candidate
}

// candidates returns what may follow the words in done, or complete the
// unfinished one.
func candidates(done []string, unfinished string, exist names) []candidate {
	if len(done) > 0 && done[0] == "help" {
		return commandWords(done[1:])
	}
	cmd, rest, err := findComplete(done)
	if err != nil {
		return commandWords(done)
	}
	parser, err := newParser(cmd, cmd.new())
	if err != nil {
		return nil
	}
	line := readLine(parser, rest)
	if line.awaits != nil {
		return flagValues(line.awaits, "", exist)
	}
	if name, _, ok := strings.Cut(unfinished, "="); ok && strings.HasPrefix(name, "--") && !line.passing {
		if f := longFlag(parser, name); f != nil {
			return flagValues(f, name+"=", exist)
		}
	}
	if strings.HasPrefix(unfinished, "-") && !line.passing {
		return flagNames(parser)
	}
	return operands(cmd, line.operands, exist)
}

// findComplete is find for words that are all finished.
func findComplete(done []string) (command, []string, error) {
	if len(done) == 0 || strings.HasPrefix(done[0], "-") {
		return command{}, nil, errHelp
	}
	cmd, rest, err := find(done)
	if err == nil && cmd.group == "" {
		err = errHelp
	}
	return cmd, rest, err
}

// commandWords returns the commands and nouns that may follow done.
func commandWords(done []string) []candidate {
	before := strings.Join(append(slices.Clone(done), ""), " ")
	var list []candidate
	for _, c := range commands {
		if c.group == "" {
			continue
		}
		for _, name := range append([]string{c.name}, c.aliases...) {
			rest, ok := strings.CutPrefix(name, before)
			if !ok {
				continue
			}
			word, _, isNoun := strings.Cut(rest, " ")
			x := candidate{word, c.summary}
			if isNoun {
				x.about = aboutNoun(word)
			}
			if !slices.ContainsFunc(list, func(y candidate) bool { return y.text == x.text }) {
				list = append(list, x)
			}
		}
	}
	return list
}

func flagNames(parser *kong.Kong) []candidate {
	list := []candidate{{"--help", "Show what the command does."}}
	for _, f := range parser.Model.Flags {
		if f.Hidden {
			continue
		}
		list = append(list, candidate{"--" + f.Name, f.Help})
		if f.Short != 0 {
			list = append(list, candidate{"-" + string(f.Short), f.Help})
		}
	}
	return list
}

// flagValues returns the values of a flag, each after prefix.
func flagValues(f *kong.Flag, prefix string, exist names) []candidate {
	values := f.EnumSlice()
	switch {
	case f.Enum != "":
	case f.Name == "network" && f.IsSlice(): // of containers; builds have two of the modes
		values = nil
		for _, n := range exist.networkNames() {
			values = append(values, n.text)
		}
		values = append(values, slirp.Uplinks()...)
	case f.Name == "network":
		values = []string{"default", "host", "none"}
	case f.Name == "call":
		values = []string{"build", "check", "check,format=json", "outline", "outline,format=json", "targets", "targets,format=json"}
	case f.PlaceHolder == "SIGNAL":
		values = []string{"HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"}
	case beginsWithFile(f.PlaceHolder):
		return []candidate{anyFile}
	default:
		return nil
	}
	var list []candidate
	for _, v := range values {
		list = append(list, candidate{text: prefix + v})
	}
	return list
}

// beginsWithFile reports whether the form of a flag's value begins with a path.
func beginsWithFile(form string) bool {
	word := form
	if i := strings.IndexAny(form, ":[|"); i >= 0 {
		word = form[:i]
	}
	return slices.Contains([]string{"FILE", "FOLDER", "SOURCE", "HOST"}, word)
}

// operands returns what fits as a command's operand number n, by the words of
// its usage line.
func operands(cmd command, n int, exist names) []candidate {
	var words []string
	for _, word := range strings.Fields(cmd.usage) {
		if word != "[flags]" {
			words = append(words, strings.Trim(word, "[]"))
		}
	}
	if len(words) == 0 || n >= len(words) && !strings.HasSuffix(words[len(words)-1], "...") {
		return nil
	}
	kind := strings.TrimSuffix(words[min(n, len(words)-1)], "...")
	kind = strings.TrimRight(kind, "[]")
	switch {
	case kind == "bash|zsh|fish":
		return []candidate{{text: "bash"}, {text: "zsh"}, {text: "fish"}}
	case kind == "CONTAINER":
		return exist.containerNames(statusesFor(cmd.name)...)
	case kind == "NETWORK":
		return exist.networkNames()
	case kind == "VOLUME":
		return exist.volumeNames()
	case kind == "IMAGE", cmd.name == "pull", cmd.name == "images":
		return exist.imageNames()
	case cmd.name == "inspect":
		return append(exist.containerNames(), exist.imageNames()...)
	}
	return []candidate{anyFile}
}

// statusesFor returns the statuses of the containers that a command is for,
// nothing for all.
func statusesFor(name string) []runner.Status {
	switch name {
	case "exec", "attach", "pause":
		return []runner.Status{runner.Running}
	case "stop", "kill":
		return []runner.Status{runner.Running, runner.Paused, runner.Restarting}
	case "top", "stats":
		return []runner.Status{runner.Running, runner.Paused}
	case "unpause":
		return []runner.Status{runner.Paused}
	case "start":
		return []runner.Status{runner.Created, runner.Exited}
	}
	return nil
}
