package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/top"
)

type topCmd struct {
	Args []string `arg:"" passthrough:"partial" name:"container"`
}

func (c *topCmd) Run(a *app) error {
	if c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	if len(c.Args) == 0 {
		return usagef("no container: name one, and options of ps after it")
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	v, err := store.Find(c.Args[0])
	if err != nil {
		return err
	}
	if v.Status != runner.Running && v.Status != runner.Paused {
		return fmt.Errorf("%w: %s", runner.ErrNotRunning, v.Name)
	}
	pids, err := store.Processes(context.Background(), v.ID)
	if err != nil {
		return err
	}
	table, err := top.List(pids, c.Args[1:])
	if err != nil {
		return err
	}
	lines := tabwriter.NewWriter(a.stdout, 20, 1, 3, ' ', 0)
	fmt.Fprintln(lines, strings.Join(table.Titles, "\t"))
	for _, row := range table.Rows {
		fmt.Fprintln(lines, strings.Join(row, "\t"))
	}
	return lines.Flush()
}
