package main

import (
	"fmt"

	units "github.com/docker/go-units"
)

var dfCommands = []command{
	{
		name: "system df", group: groupSystem, where: inFull,
		summary: "Show how much space images, containers and volumes take", usage: "[flags]",
		examples: []string{"rl system df", "rl system df -v"},
		new:      func() any { return new(systemDfCmd) },
	},
}

// systemDfCmd counts files of mapped ids and looks into the image store.
type systemDfCmd struct {
	Format  string `placeholder:"FORMAT" help:"table [TEMPLATE], json, or a Go template such as '{{.Type}} {{.Size}}'."`
	Verbose bool   `short:"v" help:"Show each image, container and volume."`
}

// dfRow is a line of `system df`.
type dfRow struct{ Type, TotalCount, Active, Size, Reclaimable string }

const dfColumns = `{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}`

var dfHeader = dfRow{"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}

// kindUsage is how much space the things of one kind take.
type kindUsage struct {
	kind               string
	total, active      int
	bytes, reclaimable int64
}

func (u kindUsage) row() dfRow {
	reclaimable := humanSize(u.reclaimable)
	if u.bytes > 0 {
		reclaimable += fmt.Sprintf(" (%d%%)", u.reclaimable*100/u.bytes)
	}
	return dfRow{u.kind, fmt.Sprint(u.total), fmt.Sprint(u.active), humanSize(u.bytes), reclaimable}
}

func humanSize(bytes int64) string { return units.HumanSizeWithPrecision(float64(bytes), 4) }
