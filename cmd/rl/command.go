package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rl-project/rl/runner/spec"
)

// A command is one row of the command table. Its flags are the fields of the
// value that new returns, in kong's tags; that value's Run does the work.
type command struct {
	name     string   // "run", "image inspect"
	aliases  []string // "container run", "ps"
	group    string   // heading of `rl --help`; empty for a hidden command
	summary  string   // one line
	usage    string   // "[flags] IMAGE [COMMAND [ARG...]]"
	examples []string
	where    where
	bare     bool // takes no flags, and its arguments as they are
	monitor  bool // needs a monitor, which is started while the flags are read
	makes    bool // may make something where there is nothing yet
	// rehearsed is whether it says in a rehearsal what is wrong with its input.
	rehearsed bool
	new       func() any
}

// where says which process a command runs in.
type where int

const (
	outside where = iota // this process, in the host's namespaces
	inside               // this program again, in the user namespace
	inFull               // the program that links image handling, in the user namespace
)

// executor is what command.new's values do when called. Commands marked inFull
// only have it in the full program.
type executor interface{ Run(*app) error }

// dispatch finds the command that args begin with and runs it.
func dispatch(a *app, args []string) error {
	args, err := globalFlags(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return help(a, nil)
	}
	switch args[0] {
	case "help", "--help", "-h":
		return help(a, args[1:])
	case "--version", "-v":
		args = []string{"version", "--short"}
	}
	if isNoun(args[0]) && (len(args) == 1 || args[1] == "--help" || args[1] == "-h") {
		return help(a, args[:1])
	}
	cmd, rest, err := find(args)
	if err != nil {
		return err
	}
	a.args, a.makes = append([]string{cmd.name}, rest...), cmd.makes
	flags := cmd.new()
	if cmd.bare {
		return flags.(executor).Run(a)
	}
	if cmd.monitor {
		a.sockets = activated() // first of all: no child is to inherit them
		a.startEarly()
	}
	if err := parse(a, cmd, flags, rest); err != nil {
		if errors.Is(err, errHelp) {
			return nil
		}
		return usagef("%w\nSee 'rl help %s'", err, cmd.name)
	}
	if cmd.where != outside && !a.inside() {
		a.lent, _ = flags.(lender)
		if cmd.rehearsed {
			if err := a.rehearse(cmd.where, a.args); err != nil {
				return err
			}
		}
		return a.runInside(cmd.where, a.args)
	}
	if cmd.where == inFull {
		debug.SetGCPercent(100) // images can be large
	}
	return flags.(executor).Run(a)
}

// find returns the command that args name, by one word or two, and what
// follows it. A word that begins like a flag belongs to rl itself.
func find(args []string) (command, []string, error) {
	if strings.HasPrefix(args[0], "-") {
		return command{}, nil, usagef("unknown flag: %s\nSee 'rl --help'", args[0])
	}
	if len(args) > 1 {
		if c, ok := named(args[0] + " " + args[1]); ok {
			return c, args[2:], nil
		}
	}
	if c, ok := named(args[0]); ok {
		return c, args[1:], nil
	}
	if err := laterCommand(args); err != nil {
		return command{}, nil, err
	}
	typed := args[0]
	if isNoun(args[0]) && len(args) > 1 {
		typed += " " + args[1]
	}
	if near := nearest(typed, wordIndex(typed)); near != "" {
		return command{}, nil, usagef("%q is not a command, did you mean %q?\nSee 'rl --help'", typed, near)
	}
	return command{}, nil, usagef("%q is not a command\nSee 'rl --help'", typed)
}

// isNoun reports whether word stands before other words, as in `image ls`.
func isNoun(word string) bool {
	before := func(name string) bool {
		rest, ok := strings.CutPrefix(name, word)
		return ok && strings.HasPrefix(rest, " ")
	}
	return slices.ContainsFunc(commands, func(c command) bool {
		return before(c.name) || slices.ContainsFunc(c.aliases, before)
	})
}

// named finds a command by its name or an alias. Every process of rl looks up one:
// that takes a twentieth of what making the index does.
func named(name string) (command, bool) {
	for i := range commands {
		if c := &commands[i]; c.name == name || slices.Contains(c.aliases, name) {
			return *c, true
		}
	}
	return command{}, false
}

// commandIndex maps each name and alias to its command.
func commandIndex() map[string]command {
	index := make(map[string]command, 3*len(commands))
	for _, c := range commands {
		index[c.name] = c
		for _, alias := range c.aliases {
			index[alias] = c
		}
	}
	return index
}

// wordIndex is what typed may be meant for: commands of one word and nouns, or
// the commands of the noun that it begins with.
func wordIndex(typed string) map[string]command {
	noun, _, two := strings.Cut(typed, " ")
	index := map[string]command{}
	for name, c := range commandIndex() {
		first, _, of := strings.Cut(name, " ")
		switch {
		case two && of && first == noun, !two && !of:
			index[name] = c
		case !two:
			index[first] = c
		}
	}
	return index
}

var errHelp = errors.New("help was asked for")

// parse fills flags from args by their kong tags.
func parse(a *app, cmd command, flags any, args []string) error {
	if quickParse(cmd, flags, args) {
		return nil
	}
	parser, err := newParser(cmd, flags)
	if err != nil {
		return fmt.Errorf("internal: flags of %s: %w", cmd.name, err)
	}
	if wantsHelp(parser, args) {
		printCommandHelp(a.stdout, cmd, parser)
		return errHelp
	}
	args = dockerWords(parser, args)
	if f := readLine(parser, args).awaits; f != nil {
		return fmt.Errorf("--%s needs a value", f.Name) // kong takes the end of the line for one
	}
	_, err = parser.Parse(args)
	if err != nil {
		if why := refusal(args); why != nil {
			return why
		}
		if why := unknownFlag(parser, args, err); why != nil {
			return why
		}
	}
	return plainly(cmd, err)
}

// plainly puts kong's errors into words for who typed the line.
func plainly(cmd command, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	form := strings.TrimSpace("rl " + cmd.name + " " + cmd.usage)
	if strings.HasPrefix(text, `expected "<`) {
		return fmt.Errorf("something is missing: the form is %s", form)
	}
	if strings.HasPrefix(text, "unexpected argument ") {
		return fmt.Errorf("%s: the form is %s", text, form)
	}
	if flag, rest, found := strings.Cut(text, ": expected a valid "); found {
		if _, typed, found := strings.Cut(rest, " but got "); found {
			return fmt.Errorf("%s %s: give a whole number", flag, strings.Trim(typed, `"`))
		}
	}
	return err
}

// refusal explains a flag of Docker's that no unprivileged user can be given.
func refusal(args []string) error {
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if err := spec.Refuse(name); err != nil {
			return err
		}
	}
	return nil
}

func newParser(cmd command, flags any) (*kong.Kong, error) {
	return kong.New(flags,
		kong.Name("rl "+cmd.name),
		kong.NoDefaultHelp(),
		kong.WithHyphenPrefixedParameters(true),
		kong.Writers(io.Discard, io.Discard),
		kong.Exit(func(int) {}),
		kong.Vars{"detachKeys": defaultDetachKeys},
	)
}

// wantsHelp reports whether --help stands among the command's own flags. `-h`
// is hostname in `run`.
func wantsHelp(parser *kong.Kong, args []string) bool {
	var s lineState
	for _, arg := range args {
		if s.awaits == nil && !s.passing && (arg == "--help" || arg == "-h" && shortFlag(parser, 'h') == nil) {
			return true
		}
		s.read(parser, arg)
	}
	return false
}

// nearest returns the known name that typed most likely meant, or "". Of two
// that are equally near it is the longer one: letters are left out more often
// than added.
func nearest(typed string, known map[string]command) string {
	word := typed[strings.LastIndexByte(typed, ' ')+1:]
	best, least := "", 1+max(1, len(word)/3)
	for name, c := range known {
		if c.group == "" {
			continue
		}
		d := editDistance(typed, name)
		if d < least || d == least && best != "" && (len(name) > len(best) || len(name) == len(best) && name < best) {
			best, least = name, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours between two short words.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
