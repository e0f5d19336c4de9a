package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// lineState is what the words after a command's name have come to.
type lineState struct {
	awaits   *kong.Flag // whose value comes next
	operands int
	passing  bool // what follows belongs to a command in the container
}

// readLine reads all words after a command's name, without looking at values.
func readLine(parser *kong.Kong, words []string) lineState {
	var s lineState
	for _, word := range words {
		s.read(parser, word)
	}
	return s
}

func (s *lineState) read(parser *kong.Kong, word string) {
	switch {
	case s.awaits != nil:
		s.awaits = nil
	case s.passing:
		s.operands++
	case word == "--":
		s.passing = true
	case strings.HasPrefix(word, "-") && word != "-":
		if f, valued := lastFlag(parser, word); f != nil && !valued && !f.IsBool() {
			s.awaits = f
		}
	default:
		s.operands++
		s.passing = passesOn(parser)
	}
}

// passesOn reports whether a command's first operand ends its flags.
func passesOn(parser *kong.Kong) bool {
	list := parser.Model.Positional
	return len(list) > 0 && list[0].Passthrough
}

// dockerWords writes a line as kong takes it: -f=VALUE as -fVALUE, and flags
// that stand between or after the operands of a command before them.
func dockerWords(parser *kong.Kong, words []string) []string {
	var flags, operands []string
	var s lineState
	for _, word := range words {
		switch {
		case s.awaits != nil:
			flags = append(flags, word)
		case s.passing, word == "-", !strings.HasPrefix(word, "-"):
			operands = append(operands, word)
		case word != "--":
			flags = append(flags, withoutEquals(parser, word)...)
		case passesOn(parser):
			operands = append(operands, word)
		}
		s.read(parser, word)
	}
	if s.awaits == nil && len(operands) > 0 && !passesOn(parser) {
		flags = append(flags, "--")
	}
	return append(flags, operands...)
}

func withoutEquals(parser *kong.Kong, word string) []string {
	i := strings.IndexByte(word, '=')
	if i < 2 || word[0] != '-' || word[1] == '-' {
		return []string{word}
	}
	f, valued := lastFlag(parser, word[:i])
	switch {
	case f == nil || valued:
		return []string{word}
	case f.IsBool() && i == 2:
		return []string{"--" + f.Name + word[i:]}
	case f.IsBool():
		return []string{word[:i-1], "--" + f.Name + word[i:]}
	}
	return []string{word[:i] + word[i+1:]}
}

// lastFlag returns the flag that a word such as --name, -it or -n5 ends with,
// and whether its value is in the word as well; nil for an unknown one.
func lastFlag(parser *kong.Kong, word string) (f *kong.Flag, valued bool) {
	if strings.HasPrefix(word, "--") {
		name, _, valued := strings.Cut(word, "=")
		return longFlag(parser, name), valued
	}
	letters := word[1:]
	for i, letter := range letters {
		f = shortFlag(parser, letter)
		if f == nil || !f.IsBool() {
			return f, i+1 < len(letters)
		}
	}
	return f, false
}

func longFlag(parser *kong.Kong, word string) *kong.Flag {
	name := strings.TrimPrefix(word, "--")
	for _, f := range parser.Model.Flags {
		if f.Name == name || slices.Contains(f.Aliases, name) {
			return f
		}
	}
	return nil
}

func shortFlag(parser *kong.Kong, letter rune) *kong.Flag {
	for _, f := range parser.Model.Flags {
		if f.Short == letter {
			return f
		}
	}
	return nil
}
