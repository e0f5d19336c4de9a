package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// help prints the page about one command or noun, or the overview.
func help(a *app, args []string) error {
	if len(args) == 0 {
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

// printOverview lists every command by group.
func printOverview(w io.Writer) {
	fmt.Fprint(w, `rl runs containers for you alone: no root, no daemon, one file.

Usage:  rl COMMAND [flags] [arguments]

  rl run -it alpine              a shell in a new container
  rl run -d -p 8080:80 nginx     a server, and its port on this machine
  rl check                       what this machine lets rl do, and how to get the rest
`)
	var groups []string
	for _, c := range commands {
		if c.group != "" && !slices.Contains(groups, c.group) {
			groups = append(groups, c.group)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g)
		for _, c := range commands {
			if c.group == g {
				fmt.Fprintf(w, "  %-14s %s\n", c.name, c.summary)
			}
		}
	}
	fmt.Fprint(w, "\n'rl help COMMAND' tells more about one of them.\n")
}

// printNoun lists the commands that exist under a noun such as "container".
func printNoun(w io.Writer, noun string) {
	fmt.Fprintf(w, "Usage:  rl %s COMMAND\n\n", noun)
	for _, c := range commands {
		for _, name := range append([]string{c.name}, c.aliases...) {
			if verb, ok := strings.CutPrefix(name, noun+" "); ok && c.group != "" {
				fmt.Fprintf(w, "  %-14s %s\n", verb, c.summary)
			}
		}
	}
}

// printCommandHelp prints purpose, usage, flags in groups and examples.
func printCommandHelp(w io.Writer, cmd command, parser *kong.Kong) {
	fmt.Fprintf(w, "%s.\n\nUsage:  rl %s %s\n", cmd.summary, cmd.name, cmd.usage)
	if len(cmd.aliases) > 0 {
		fmt.Fprintf(w, "Also:   rl %s\n", strings.Join(cmd.aliases, ", rl "))
	}
	for _, g := range flagGroups(parser.Model.Flags) {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, f := range g.flags {
			fmt.Fprintf(w, "  %-34s %s\n", flagForm(f), f.Help)
		}
	}
	if len(cmd.examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, e := range cmd.examples {
			fmt.Fprintf(w, "  %s\n", e)
		}
	}
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
	form := "    --" + f.Name
	if f.Short != 0 {
		form = fmt.Sprintf("-%c, --%s", f.Short, f.Name)
	}
	if f.IsBool() {
		return form
	}
	if f.PlaceHolder != "" {
		return form + " " + f.PlaceHolder
	}
	return form + " " + strings.ToUpper(f.Name)
}
