//go:build !split && containers_image_openpgp

package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage/store"
)

// historyRow is a line of `history`, in the words of Docker's templates.
type historyRow struct {
	ID           string
	CreatedSince string
	CreatedAt    string
	CreatedBy    string
	Size         string
	Comment      string
}

var historyHeader = historyRow{"IMAGE", "CREATED", "CREATED AT", "CREATED BY", "SIZE", "COMMENT"}

// commandWidth is how much of a step's command is shown, as with Docker.
const commandWidth = 45

func (c *historyCmd) Run(a *app) error {
	s, err := a.images()
	if err != nil {
		return err
	}
	steps, err := s.History(c.Image, c.Platform)
	if err != nil {
		return err
	}
	var rows []historyRow
	for _, step := range steps {
		row := c.row(step)
		if c.Quiet && c.Format == "" {
			a.printf("%s\n", row.ID)
		}
		rows = append(rows, row)
	}
	if c.Quiet && c.Format == "" {
		return nil
	}
	columns := `{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`
	if !c.Human {
		columns = strings.Replace(columns, "CreatedSince", "CreatedAt", 1)
	}
	return format.List(a.stdout, c.Format, columns, historyHeader, rows)
}

func (c *historyCmd) row(step store.Step) historyRow {
	row := historyRow{
		ID: "<missing>", CreatedAt: step.Created.Format(time.RFC3339), CreatedSince: "N/A",
		CreatedBy: strings.Join(strings.Fields(step.CreatedBy), " "), Size: strconv.FormatInt(step.Size, 10), Comment: step.Comment,
	}
	if !step.Created.IsZero() {
		row.CreatedSince = units.HumanDuration(time.Since(step.Created)) + " ago"
	}
	if c.Human {
		row.Size = units.HumanSizeWithPrecision(float64(step.Size), 3)
	}
	switch {
	case step.ID != "" && c.NoTrunc:
		row.ID = "sha256:" + step.ID
	case step.ID != "":
		row.ID = step.ID[:12]
	}
	if !c.NoTrunc {
		row.CreatedBy = ellipsis(row.CreatedBy, commandWidth)
	}
	return row
}
