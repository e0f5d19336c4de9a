package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// laterCommands are Docker's commands that rl does not have yet: who types one
// has made no mistake and must not be sent to a command that is spelled alike.
var laterCommands = strings.Fields(`compose`)

// laterCommand says so of a command line that names one of laterCommands.
func laterCommand(args []string) error {
	word := args[0]
	if isNoun(word) && len(args) > 1 {
		word = args[1]
	}
	if !slices.Contains(laterCommands, word) {
		return nil
	}
	return usagef("%q is a command of Docker's that rl does not have yet: start its services with 'rl run' on one 'rl network create', where they find each other by name\nSee 'rl --help'", word)
}

// unknownFlag explains kong's error about a flag that cmd does not have; nil
// when err is another one. Kong counts letters without regard to the length of
// the word, so that every letter is like every other.
func unknownFlag(parser *kong.Kong, args []string, err error) error {
	rest, ok := strings.CutPrefix(err.Error(), "unknown flag ")
	if !ok {
		return nil
	}
	typed, _, _ := strings.Cut(rest, ",")
	typed, _, _ = strings.Cut(typed, "=")
	if near := cmp.Or(nearestFlag(typed, parser.Model.Flags), oneDash(typed, args, parser.Model.Flags)); near != "" {
		return fmt.Errorf("unknown flag %s, did you mean --%s?", typed, near)
	}
	return fmt.Errorf("unknown flag %s", typed)
}

// oneDash returns the flag that was typed with one dash, as -rm, in which typed
// is a letter that is no flag; "" if there is none.
func oneDash(typed string, args []string, flags []*kong.Flag) string {
	for _, arg := range args {
		word, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(word, "--") || len(word) < 3 || !strings.Contains(word, strings.TrimPrefix(typed, "-")) {
			continue
		}
		if slices.ContainsFunc(flags, func(f *kong.Flag) bool { return "-"+f.Name == word }) {
			return word[1:]
		}
	}
	return ""
}

// nearestFlag returns the name of the flag that typed most likely meant, or "".
func nearestFlag(typed string, flags []*kong.Flag) string {
	word, long := strings.CutPrefix(typed, "--")
	if !long {
		return ""
	}
	best, least := "", 1+max(1, len(word)/3)
	for _, f := range flags {
		if d := editDistance(word, f.Name); !f.Hidden && d < least && d < len(word) {
			best, least = f.Name, d
		}
	}
	return best
}
