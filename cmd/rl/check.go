package main

import (
	"context"
	"encoding/json"
	"os"

	"golang.org/x/term"

	"github.com/rl-project/rl/check"
)

var checkCommands = []command{
	{
		name: "check", aliases: []string{"system check"}, group: groupSystem,
		summary: "Show what works on this machine and what would give the rest",
		usage:   "[flags]", examples: []string{"rl check", "rl check --format json"},
		new: func() any { return new(checkCmd) },
	},
}

type checkCmd struct {
	Format string `help:"Print as a table, or as json." placeholder:"FORMAT"`
}

// Run ends with code 1 when containers cannot run here.
func (c *checkCmd) Run(a *app) error {
	if c.Format != "" && c.Format != "table" && c.Format != "json" {
		return usagef("--format %q: choose table or json", c.Format)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	report := check.Run(context.Background(), program)
	if c.Format == "json" {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		err = report.Write(a.stdout, term.IsTerminal(int(a.stdout.Fd())) && os.Getenv("NO_COLOR") == "")
	}
	if err == nil && report.Count(check.Missing) > 0 {
		return exitCode(exitFailed)
	}
	return err
}
