package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/events"
	"github.com/rl-project/rl/internal/format"
)

var eventCommands = []command{
	{
		name: "events", aliases: []string{"system events"}, group: groupSystem,
		summary: "Show what happens to containers, images, volumes and networks", usage: "[flags]",
		examples: []string{"rl events --since 1h --until now --filter type=container", "rl events --filter event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}'"},
		new:      func() any { return new(eventsCmd) },
	},
}

type eventsCmd struct {
	Since  string   `placeholder:"TIME" help:"Begin with what happened then: 10m, 2026-03-04, 2026-03-04T05:06:07Z."`
	Until  string   `placeholder:"TIME" help:"End at this time instead of going on; now ends with what is stored."`
	Filter []string `short:"f" sep:"none" placeholder:"KEY=VALUE" help:"Only events with this: container, event, image, label, network, scope, type, volume."`
	Format string   `placeholder:"FORMAT" help:"json, or a Go template such as '{{.Type}} {{.Action}}'."`
}

func (c *eventsCmd) Run(a *app) error {
	options, err := c.options(time.Now())
	if err != nil {
		return usagef("%w", err)
	}
	print, err := c.printer(a)
	if err != nil {
		return usagef("%w", err)
	}
	places, err := a.dirs()
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer cancel()
	err = events.In(places.Data).Read(ctx, options, print)
	if errors.Is(err, unix.EPIPE) {
		return nil // who reads has seen enough
	}
	return err
}

func (c *eventsCmd) options(now time.Time) (o events.ReadOptions, err error) {
	if o.Match, err = events.ParseFilters(c.Filter); err != nil {
		return o, err
	}
	o.Since = now
	if c.Until != "" {
		o.Since = time.Unix(0, 0) // as with Docker, an end alone asks for what is stored
	}
	if c.Since != "" {
		if o.Since, err = eventTime(c.Since, now); err != nil {
			return o, fmt.Errorf("--since: %w", err)
		}
	}
	if c.Until != "" {
		if o.Until, err = eventTime(c.Until, now); err != nil {
			return o, fmt.Errorf("--until: %w", err)
		}
	}
	if !o.Until.IsZero() && o.Until.Before(o.Since) {
		return o, fmt.Errorf("--until %s is before --since", c.Until)
	}
	return o, nil
}

// eventTime reads a time; a duration with a minus sign lies ahead, as with Docker.
func eventTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	return parseTimestamp(s, now)
}

// printer returns what prints an event as --format asks for.
func (c *eventsCmd) printer(a *app) (func(events.Event) error, error) {
	text := c.Format
	switch text {
	case "":
		return func(e events.Event) error { return a.line(eventLine(e)) }, nil
	case "json":
		text = "{{json .}}"
	}
	t, err := format.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := t.Execute(new(strings.Builder), events.Event{}); err != nil {
		return nil, format.Explain(err, events.Event{})
	}
	return func(e events.Event) error {
		var line strings.Builder
		if err := t.Execute(&line, e); err != nil {
			return format.Explain(err, e)
		}
		return a.line(line.String())
	}, nil
}

// line writes one line to standard output, and tells when nobody reads it.
func (a *app) line(text string) error {
	_, err := a.stdout.WriteString(text + "\n")
	return err
}

// eventLine is an event as Docker prints it: time, type, action, id and the
// attributes in the order of their names.
func eventLine(e events.Event) string {
	line := fmt.Sprintf("%s %s %s %s", e.When().Format("2006-01-02T15:04:05.000000000Z07:00"), e.Type, e.Action, e.Actor.ID)
	var attributes []string
	for _, key := range slices.Sorted(maps.Keys(e.Actor.Attributes)) {
		attributes = append(attributes, key+"="+e.Actor.Attributes[key])
	}
	if len(attributes) > 0 {
		line += " (" + strings.Join(attributes, ", ") + ")"
	}
	return line
}
