package check

import (
	"fmt"
	"slices"
	"strings"
)

// Fix is what an administrator can do about an Item. Everything in it is for root, on the host.
type Fix struct {
	Packages []string // programs, by the names packageOf knows
	Sysctls  []string // "name = value"
	Lines    []string // of shell
	// Optional is for what not everybody wants: it loosens a rule, or only makes something faster. In the
	// script it stands behind a comment sign. Why says what it gives.
	Optional bool
	Why      string
}

func (f Fix) empty() bool { return len(f.Packages)+len(f.Sysctls)+len(f.Lines) == 0 }

// sysctlFile is where the script puts settings.
const sysctlFile = "/etc/sysctl.d/90-rl.conf"

// script puts the fixes of all items into one shell script, "" when there is none.
func script(m *machine, items []Item) string {
	var must, may Fix
	var optional strings.Builder
	for _, i := range items {
		switch {
		case i.Fix.empty():
		case i.Fix.Optional:
			fmt.Fprintf(&optional, "\n# If you like, %s:\n", i.Fix.Why)
			for line := range strings.Lines(m.shell(i.Fix)) {
				optional.WriteString("# " + line)
			}
			may.add(i.Fix)
		default:
			must.add(i.Fix)
		}
	}
	if must.empty() && may.empty() {
		return ""
	}
	text := "#!/bin/sh\n# For root, on this machine: what rl lacks here for " + m.user + ". Made by `rl check`.\nset -e\n"
	return text + m.shell(must) + optional.String()
}

func (f *Fix) add(more Fix) {
	f.Packages = union(f.Packages, more.Packages)
	f.Sysctls = union(f.Sysctls, more.Sysctls)
	f.Lines = append(f.Lines, more.Lines...)
}

func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// shell is the commands of one fix, a newline after each.
func (m *machine) shell(f Fix) string {
	var text strings.Builder
	if len(f.Packages) > 0 {
		var names []string
		for _, p := range f.Packages {
			names = append(names, m.distro.packageOf(p))
		}
		text.WriteString(m.distro.installLine(names) + "\n")
	}
	if len(f.Sysctls) > 0 {
		fmt.Fprintf(&text, "cat >> %s <<'END'\n%s\nEND\nsysctl -p %[1]s\n", sysctlFile, strings.Join(f.Sysctls, "\n"))
	}
	for _, line := range f.Lines {
		text.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	return text.String()
}

// quote makes s one word of the shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
