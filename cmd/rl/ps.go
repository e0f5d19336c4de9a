package main

import (
	"slices"
	"strings"
	"time"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/storage"
)

type psCmd struct {
	All     bool     `group:"Which containers" short:"a" help:"Show those too that do not run."`
	Filter  []string `group:"Which containers" short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only containers with this: id, name, label, status, exited, ancestor, before, since, volume, network, publish, expose, health."`
	Last    int      `group:"Which containers" short:"n" default:"-1" placeholder:"NUMBER" help:"Only the NUMBER newest, running or not."`
	Latest  bool     `group:"Which containers" short:"l" help:"Only the newest, running or not."`
	Format  string   `group:"What to show" placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.ID}} {{.Names}}'."`
	NoTrunc bool     `group:"What to show" help:"Shorten nothing."`
	Quiet   bool     `group:"What to show" short:"q" help:"Print only ids."`
	Size    bool     `group:"What to show" short:"s" help:"Show how much each container has written."`
}

// Columns of `ps`, and of `ps -s`.
const (
	psColumns     = `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}`
	psSizeColumns = psColumns + `\t{{.Size}}`
)

func (c *psCmd) Run(a *app) error {
	if c.Quiet && c.Format != "" {
		a.warnf("--format is ignored beside --quiet")
		c.Format = ""
	}
	c.Size = !c.Quiet && (c.Size || strings.Contains(c.Format, ".Size"))
	if c.Size && !a.inside() {
		// Outside, files of mapped ids cannot be looked at.
		return a.runInside(inside, a.args)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	views, failed := c.list(store)
	if views == nil && failed != nil {
		return failed
	}
	if err := c.print(a, store, views); err != nil {
		return err
	}
	return failed
}

// list returns the containers asked for, beside an error about those that
// cannot be read.
func (c *psCmd) list(store runner.Store) ([]runner.View, error) {
	filter, err := docker.ParseFilters(store, c.Filter)
	if err != nil {
		return nil, usagef("%w", err)
	}
	limit := c.Last
	if c.Latest {
		limit = 1
	}
	running := !c.All && !filter.All && limit < 1
	var views []runner.View
	if filter.Whole || c.Size || psNeedsWhole(c.Format) {
		views, err = store.List()
	} else {
		views, err = store.Glance(running)
	}
	views = slices.DeleteFunc(views, func(v runner.View) bool {
		return running && !v.Active() || !filter.Match(v)
	})
	if limit > 0 && len(views) > limit {
		views = views[:limit]
	}
	return views, err
}

// psNeedsWhole reports whether a template may show what a glance at a container
// does not tell; one that takes the whole row, as `json` does, shows everything.
func psNeedsWhole(format string) bool {
	for _, word := range []string{".Mounts", ".LocalVolumes", ".Platform"} {
		if strings.Contains(format, word) {
			return true
		}
	}
	return format == "json" || showsWholeRow(format)
}

// showsWholeRow reports whether a template may take the row as a whole, as
// {{json .}} does.
func showsWholeRow(format string) bool {
	for _, word := range []string{".}", ". ", ".)", ".|"} {
		if strings.Contains(format, word) {
			return true
		}
	}
	return false
}

func (c *psCmd) print(a *app, store runner.Store, views []runner.View) error {
	o := docker.RowOptions{Now: time.Now(), Whole: c.NoTrunc, Names: new(storage.Names)}
	if c.Size {
		o.Size = func(v runner.View) (int64, error) { return store.Written(v.ID) }
	}
	rows := make([]docker.Row, len(views))
	for i, v := range views {
		var err error
		if rows[i], err = docker.NewRow(v, o); err != nil {
			return err
		}
	}
	if c.Quiet {
		c.Format = "{{.ID}}"
	}
	columns := psColumns
	if c.Size {
		columns = psSizeColumns
	}
	return format.List(a.stdout, c.Format, columns, docker.Header, rows)
}
