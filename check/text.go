package check

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints the report for people. Colour is for terminals.
func (r Report) Write(w io.Writer, colour bool) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, Linux %s%s\n", r.User, r.Kernel, prefixed(", ", r.System))
	group := ""
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, i := range r.Items {
		if i.Group != group {
			group = i.Group
			fmt.Fprintf(table, "\n%s\n", group)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", i.Status, i.Name, i.Found)
		for _, more := range []string{i.Cost, i.Remedy} {
			if more != "" {
				fmt.Fprintf(table, "  \t\t- %s\n", more)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\n%s\n", r.summary())
	if r.Script != "" {
		fmt.Fprintf(&text, "\n%s", r.Script)
	}
	_, err := io.WriteString(w, paint(text.String(), colour))
	return err
}

func (r Report) summary() string {
	missing, degraded := r.Count(Missing), r.Count(Degraded)
	switch {
	case missing > 0:
		return fmt.Sprintf("Containers cannot run: %d missing, %d degraded.", missing, degraded) + r.pointer()
	case degraded > 0:
		return fmt.Sprintf("Containers run, %d degraded.", degraded) + r.pointer()
	}
	return "Everything works."
}

func (r Report) pointer() string {
	if r.Script == "" {
		return ""
	}
	return " What an administrator can run:"
}

// paint colours the status words at the beginning of lines; done last, because a table counts escape codes as
// characters.
func paint(text string, colour bool) string {
	if !colour {
		return text
	}
	codes := []struct{ word, code string }{{string(OK), "32"}, {string(Degraded), "33"}, {string(Missing), "31"}}
	lines := strings.SplitAfter(text, "\n")
	for n, line := range lines {
		for _, c := range codes {
			if rest, ok := strings.CutPrefix(line, "  "+c.word+" "); ok {
				lines[n] = "  \x1b[" + c.code + "m" + c.word + "\x1b[0m " + rest
			}
		}
	}
	return strings.Join(lines, "")
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
