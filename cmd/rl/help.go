package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// help prints the page about one command or noun, or the overview.
func help(a *app, args []string) error {
	if len(args) == 0 || args[0] == "help" || strings.HasPrefix(args[0], "-") {
		printOverview(a.stdout)
		return nil
	}
	if len(args) == 1 && isNoun(args[0]) {
		printNoun(a.stdout, args[0])
		return nil
	}
	cmd, _, err := find(args)
	if err != nil {
		return err
	}
	parser, err := newParser(cmd, cmd.new())
	if err != nil {
		return err
	}
	printCommandHelp(a.stdout, cmd, parser)
	return nil
}

const overview = `rl runs containers for you alone: no root, no daemon, one file.

Usage:  rl COMMAND [flags] [arguments]

  rl run -it alpine              a shell in a new container
  rl run -d -p 8080:80 nginx     a server, and its port on this machine
  rl check                       what works on this machine, and what is missing
`

const overviewEnd = `
'rl help COMMAND' tells more about one of them. Names and flags are Docker's;
every command exists under its noun as well: rl container ps, rl image rm.
`

// printOverview lists the commands by group.
func printOverview(w io.Writer) {
	fmt.Fprint(w, overview)
	var groups []string
	width := map[string]int{} // of the longest name
	for _, c := range commands {
		if c.group != "" && !slices.Contains(groups, c.group) {
			groups = append(groups, c.group)
		}
		if !hasShorterName(c) {
			width[c.group] = max(width[c.group], len(c.name), usualName)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g)
		for _, c := range commands {
			if c.group == g && !hasShorterName(c) {
				fmt.Fprintf(w, "  %-*s %s\n", width[g], c.name, c.summary)
			}
		}
	}
	fmt.Fprint(w, overviewEnd)
}

// hasShorterName reports whether a command of one word does what c does, as
// inspect does for `image inspect`.
func hasShorterName(c command) bool {
	noun, verb, _ := strings.Cut(c.name, " ")
	_, short := commandIndex()[verb]
	return short && (noun == "image" || noun == "container")
}

// printNoun lists the commands that exist under a noun such as "container".
func printNoun(w io.Writer, noun string) {
	fmt.Fprintf(w, "%s.\n\nUsage:  rl %s COMMAND\n\n", aboutNoun(noun), noun)
	var examples []string
	for _, c := range commands {
		for _, name := range append([]string{c.name}, c.aliases...) {
			if verb, ok := strings.CutPrefix(name, noun+" "); ok && c.group != "" {
				fmt.Fprintf(w, "  %-14s %s\n", verb, c.summary)
				examples = append(examples, c.examples[0])
				break // its other names say no more
			}
		}
	}
	fmt.Fprint(w, "\nExamples:\n")
	for _, e := range examples[:min(len(examples), 3)] {
		fmt.Fprintf(w, "  %s\n", e)
	}
	fmt.Fprintf(w, "\n'rl help %s COMMAND' tells more about one of them.\n", noun)
}

// aboutNoun says what the commands under a noun are about.
func aboutNoun(noun string) string {
	switch noun {
	case "kube":
		return "Commands about Kubernetes"
	case "system":
		return "Commands about all that rl has stored"
	case "systemd":
		return "Units of systemd, from containers and from Quadlet files"
	}
	return "Commands about " + strings.TrimSuffix(noun, "s") + "s"
}

// printCommandHelp prints purpose, usage, flags in groups and examples.
func printCommandHelp(w io.Writer, cmd command, parser *kong.Kong) {
	fmt.Fprintf(w, "%s.\n\nUsage:  rl %s %s\n", cmd.summary, cmd.name, cmd.usage)
	if len(cmd.aliases) > 0 {
		fmt.Fprintf(w, "Also:   rl %s\n", strings.Join(cmd.aliases, ", rl "))
	}
	width := pageWidth(w)
	for _, g := range flagGroups(parser.Model.Flags) {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, f := range g.flags {
			printFlag(w, f, width)
		}
	}
	if len(cmd.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, e := range cmd.examples {
			fmt.Fprintf(w, "  %s\n", e)
		}
	}
}

// Widths of a page in columns. Longer lines are hard to read.
const (
	usualName    = 15 // of a command, in the overview
	flagColumn   = 34
	minPageWidth = 60
	maxPageWidth = 100
	plainWidth   = 90 // of what is not written to a terminal
)

func pageWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return min(max(columns, minPageWidth), maxPageWidth)
		}
	}
	return plainWidth
}

// printFlag prints a flag and beside it, or below one with a long form, what it
// does.
func printFlag(w io.Writer, f *kong.Flag, width int) {
	form := flagForm(f)
	lines := wrap(flagHelp(f), width-flagColumn)
	if len(form)+4 > flagColumn {
		fmt.Fprintf(w, "  %s\n", form)
		form = ""
	}
	for _, line := range lines {
		fmt.Fprintf(w, "  %-*s%s\n", flagColumn-2, form, line)
		form = ""
	}
}

// wrap breaks text into lines of at most width columns where it has blanks.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

type flagGroup struct {
	title string
	flags []*kong.Flag
}

// flagGroups gathers flags under their group tags, in order of appearance.
func flagGroups(flags []*kong.Flag) []flagGroup {
	var groups []flagGroup
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		title := "Flags"
		if f.Group != nil {
			title = f.Group.Key
		}
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.title == title })
		if i < 0 {
			groups = append(groups, flagGroup{title: title})
			i = len(groups) - 1
		}
		groups[i].flags = append(groups[i].flags, f)
	}
	return groups
}

// flagForm renders "-m, --memory SIZE".
func flagForm(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	form := "    " + name
	if f.Short != 0 {
		form = fmt.Sprintf("-%c, %s", f.Short, name)
	}
	switch {
	case f.IsBool() && f.PlaceHolder != "":
		return form + "[=" + f.PlaceHolder + "]"
	case f.IsBool():
		return form
	case f.PlaceHolder != "":
		return form + " " + f.PlaceHolder
	case f.Enum != "":
		return form + " " + strings.ReplaceAll(f.Enum, ",", "|")
	}
	return form + " " + strings.ToUpper(f.Name)
}

// flagHelp is a flag's help with its default, unless that says nothing.
func flagHelp(f *kong.Flag) string {
	switch {
	case f.IsBool() || f.Default == "" || f.Default == "-1" || f.Default == "0":
		return f.Help
	}
	return strings.TrimSuffix(f.Help, ".") + " (" + f.Default + " if not given)."
}
