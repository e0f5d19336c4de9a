package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
)

var logsCommands = []command{
	{
		name: "logs", aliases: []string{"container logs"}, group: groupLook,
		summary: "Show what a container has printed", usage: "[flags] CONTAINER",
		examples: []string{"rl logs -f web", "rl logs --since 10m --tail 100 -t web"},
		new:      func() any { return new(logsCmd) },
	},
}

type logsCmd struct {
	Follow     bool   `short:"f" help:"Go on until the container ends."`
	Timestamps bool   `short:"t" help:"Begin each line with its time."`
	Since      string `placeholder:"TIME" help:"Leave out what is older: 10m, 2026-03-04, 2026-03-04T05:06:07Z."`
	Until      string `placeholder:"TIME" help:"Leave out what is newer."`
	Tail       string `short:"n" default:"all" placeholder:"NUMBER" help:"Only that many of the last lines; all is all of them."`
	Details    bool   `help:"Begin each line with the attributes that were logged with it."`
	Container  string `arg:"" name:"container"`
}

func (c *logsCmd) Run(a *app) error {
	options, err := c.options()
	if err != nil {
		return usagef("%w", err)
	}
	options.Note = func(text string) { a.warnf("%s", text) }
	store, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	if v.Log.Driver == logs.None {
		return logs.ErrNotKept
	}
	if v.Log.Driver == logs.Journald {
		return c.fromJournal(a, v.ID, options)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.Follow {
		options.Done = ended(ctx, store, v.ID)
	}
	p := &logPrinter{out: a.stdout, err: a.stderr, timestamps: c.Timestamps, details: c.Details, atOnce: c.Follow}
	err = logs.Read(ctx, store.LogPath(v.ID), options, p.print)
	if flushErr := p.flush(); err == nil {
		err = flushErr
	}
	if why := store.LostOutput(v); why != "" {
		a.warnf("not all of the output was kept: %s", why)
	}
	return err
}

// ended is closed when the container is over, or was not running.
func ended(ctx context.Context, store runner.Store, id string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// However the container ended, there is no more output; how is not asked.
		_, _ = store.Wait(ctx, id)
	}()
	return done
}

func (c *logsCmd) options() (logs.ReadOptions, error) {
	o := logs.ReadOptions{Tail: logs.All, Follow: c.Follow}
	var err error
	if c.Tail != "all" {
		if o.Tail, err = strconv.Atoi(c.Tail); err != nil {
			return o, fmt.Errorf("--tail: %q is neither a number nor all", c.Tail)
		}
	}
	now := time.Now()
	if c.Since != "" {
		if o.Since, err = parseTimestamp(c.Since, now); err != nil {
			return o, fmt.Errorf("--since: %w", err)
		}
	}
	if c.Until != "" {
		if o.Until, err = parseTimestamp(c.Until, now); err != nil {
			return o, fmt.Errorf("--until: %w", err)
		}
	}
	return o, nil
}

// logPrinter prints entries: stdout's to out, stderr's to err. The order of the
// two is kept, as far as they go to the same place.
type logPrinter struct {
	out, err            *os.File
	timestamps, details bool
	atOnce              bool // someone is waiting for each line

	buffer  []byte
	to      *os.File // where buffer belongs
	midLine [2]bool  // the last entry of the stream was a piece of a line
}

func (p *logPrinter) print(e logs.Entry) error {
	to := p.out
	if e.Stream == logs.Stderr {
		to = p.err
	}
	if to != p.to {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.to = to
	if !p.midLine[e.Stream] {
		p.prefix(e)
	}
	p.midLine[e.Stream] = !bytes.HasSuffix(e.Text, []byte{'\n'})
	p.buffer = append(p.buffer, e.Text...)
	if p.atOnce || len(p.buffer) > 32<<10 {
		return p.flush()
	}
	return nil
}

// prefix adds what comes before a line. Times have nine digits, so that lines
// stand below each other. Without attributes, --details is a blank, as Docker
// prints it.
func (p *logPrinter) prefix(e logs.Entry) {
	if p.timestamps {
		p.buffer = e.Time.UTC().AppendFormat(p.buffer, "2006-01-02T15:04:05.000000000Z07:00 ")
	}
	if !p.details {
		return
	}
	for i, key := range slices.Sorted(maps.Keys(e.Attrs)) {
		if i > 0 {
			p.buffer = append(p.buffer, ',')
		}
		p.buffer = append(p.buffer, url.QueryEscape(key)+"="+url.QueryEscape(e.Attrs[key])...)
	}
	p.buffer = append(p.buffer, ' ')
}

func (p *logPrinter) flush() error {
	if len(p.buffer) == 0 {
		return nil
	}
	_, err := p.to.Write(p.buffer)
	p.buffer = p.buffer[:0]
	return err
}
