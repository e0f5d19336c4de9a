package main

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
)

type statsCmd struct {
	All        bool     `short:"a" help:"Show those too that do not run."`
	Format     string   `placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.Name}} {{.CPUPerc}}'."`
	NoStream   bool     `help:"Print what is used now, and end."`
	NoTrunc    bool     `help:"Print whole ids."`
	Containers []string `arg:"" optional:"" name:"container"`
}

const (
	statsColumns = `{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}`
	// statsInterval lies between two measurements.
	statsInterval = time.Second
	// screenTop and screenRest are what terminals take for "go to the upper left"
	// and "clear from here on": the table is drawn over the one before.
	screenTop, lineRest, screenRest = "\033[H", "\033[K", "\033[J"
)

func (c *statsCmd) Run(a *app) error {
	if err := format.List(new(bytes.Buffer), c.Format, statsColumns, docker.UsageHeader, []docker.UsageRow{{}}); err != nil {
		return usagef("--format: %w", err)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	for _, ref := range c.Containers {
		if _, err := store.Find(ref); err != nil {
			return err
		}
	}
	p := &panel{store: store, cmd: c, meters: map[string]*meter{}}
	if err := p.measure(); err != nil {
		return err
	}
	for !c.NoStream {
		if err := p.draw(a); err != nil {
			return err
		}
		time.Sleep(statsInterval)
		if err := p.measure(); err != nil {
			return err
		}
	}
	time.Sleep(statsInterval)
	if err := p.measure(); err != nil {
		return err
	}
	return p.print(a.stdout)
}

// panel is the table of `stats` and what it needs from one moment to the next.
type panel struct {
	store  runner.Store
	cmd    *statsCmd
	meters map[string]*meter // by container id
	rows   []docker.UsageRow
}

// meter measures one container.
type meter struct {
	*runner.Meter
	last runner.Usage
}

// measure asks every container that is to be shown.
func (p *panel) measure() error {
	shown, err := p.shown()
	if err != nil {
		return err
	}
	p.rows = nil
	seen := map[string]bool{}
	for _, s := range shown {
		before, now := p.ask(s.view)
		seen[s.view.ID] = true
		p.rows = append(p.rows, docker.NewUsageRow(s.view, s.asked, before, now, p.cmd.NoTrunc))
	}
	for id, m := range p.meters {
		if !seen[id] {
			m.Close()
			delete(p.meters, id)
		}
	}
	return nil
}

// asked is a container by the name that the person gave.
type asked struct {
	view  runner.View
	asked string
}

// shown are the containers that were named, as far as they still exist, or all
// that there are now.
func (p *panel) shown() ([]asked, error) {
	var list []asked
	for _, ref := range p.cmd.Containers {
		if v, err := p.store.Find(ref); err == nil {
			list = append(list, asked{v, ref})
		}
	}
	if len(p.cmd.Containers) > 0 {
		return list, nil
	}
	views, err := p.store.Glance(!p.cmd.All)
	for _, v := range views {
		list = append(list, asked{v, v.Name})
	}
	return list, err
}

// ask measures a container; one that does not run uses nothing.
func (p *panel) ask(v runner.View) (before, now runner.Usage) {
	if v.Status != runner.Running && v.Status != runner.Paused {
		return before, now
	}
	m := p.meters[v.ID]
	if m == nil {
		connected, err := p.store.Meter(context.Background(), v.ID)
		if err != nil {
			return before, now // it has just ended
		}
		m = &meter{Meter: connected}
		p.meters[v.ID] = m
	}
	now, err := m.Read()
	if err != nil {
		m.Close()
		delete(p.meters, v.ID)
		return before, runner.Usage{}
	}
	before, m.last = m.last, now
	return before, now
}

func (p *panel) print(w io.Writer) error {
	return format.List(w, p.cmd.Format, statsColumns, docker.UsageHeader, p.rows)
}

// draw writes the table over the one before, in one go so that it does not flicker.
func (p *panel) draw(a *app) error {
	var text bytes.Buffer
	if err := p.print(&text); err != nil {
		return err
	}
	screen := []byte(screenTop)
	screen = append(screen, bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte(lineRest+"\n"))...)
	_, err := a.stdout.Write(append(screen, screenRest...))
	return err
}
