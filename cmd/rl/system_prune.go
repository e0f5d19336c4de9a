package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var systemPruneCommands = []command{
	{
		name: "system prune", group: groupSystem, where: inFull,
		summary: "Remove stopped containers and unused images", usage: "[flags]",
		examples: []string{"rl system prune", "rl system prune -af --volumes --filter until=24h"},
		new:      func() any { return new(systemPruneCmd) },
	},
}

type systemPruneCmd struct {
	All     bool     `short:"a" help:"Remove all images that no container uses, not only those without a name."`
	Volumes bool     `help:"Remove anonymous volumes that no container uses, too."`
	Force   bool     `short:"f" help:"Do not ask."`
	Filter  []string `sep:"none" placeholder:"KEY=VALUE" help:"Only what has this: label, label!, until (made before that time)."`
}

// check reads the filters.
func (c *systemPruneCmd) check(now time.Time) (pruneFilter, error) {
	f, err := parsePruneFilter(c.Filter, now)
	if err == nil && c.Volumes && !f.until.IsZero() {
		err = fmt.Errorf("the filter until is not for --volumes: nobody knows when a volume was used")
	}
	return f, err
}

// warning says what will be removed, in Docker's words.
func (c *systemPruneCmd) warning() string {
	list := []string{
		"This will remove:", "  - all stopped containers",
	}
	if c.Volumes {
		list = append(list, "  - all anonymous volumes not used by at least one container")
	}
	if c.All {
		list = append(list, "  - all images without at least one container associated to them")
	} else {
		list = append(list, "  - all dangling images")
	}
	if len(c.Filter) > 0 {
		list = append(list, "", "  Items to be pruned will be filtered with:")
		for _, word := range slices.Sorted(slices.Values(c.Filter)) {
			list = append(list, "  - "+word)
		}
	}
	return strings.Join(append(list, ""), "\n")
}
