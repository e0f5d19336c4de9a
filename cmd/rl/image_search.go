//go:build !split && containers_image_openpgp

package main

import (
	"strconv"
	"strings"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage/store"
)

// searchRow is a line of `search`, in the words of Docker's templates.
type searchRow struct {
	Name        string
	Description string
	StarCount   string
	IsOfficial  string
	IsAutomated string
}

var searchHeader = searchRow{"NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"}

// descriptionWidth is how much of a description is shown, as with Docker.
const descriptionWidth = 45

func (c *searchCmd) Run(a *app) error {
	keep, err := searchFilter(c.Filter)
	if err != nil {
		return err
	}
	if c.Limit < 1 || c.Limit > 100 {
		return usagef("--limit %d: a number from 1 to 100 is meant", c.Limit)
	}
	registry, term := "docker.io", c.Term
	if first, rest, ok := strings.Cut(c.Term, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		registry, term = first, rest
	}
	s, err := a.images()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	hits, err := s.Search(ctx, registry, term, c.Limit)
	if err != nil {
		return err
	}
	var rows []searchRow
	for _, h := range hits {
		if keep(h) {
			rows = append(rows, c.row(h))
		}
	}
	return format.List(a.stdout, c.Format, `{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}`, searchHeader, rows)
}

func (c *searchCmd) row(h store.Hit) searchRow {
	row := searchRow{Name: h.Name, Description: strings.Join(strings.Fields(h.Description), " "), StarCount: strconv.Itoa(h.Stars)}
	if !c.NoTrunc {
		row.Description = ellipsis(row.Description, descriptionWidth)
	}
	if h.Official {
		row.IsOfficial = "[OK]"
	}
	if h.Automated {
		row.IsAutomated = "[OK]"
	}
	return row
}

// ellipsis cuts s to n characters, the last of which then says so.
func ellipsis(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

// searchFilter reads the filters of `search`.
func searchFilter(filters []string) (func(store.Hit) bool, error) {
	tests := []func(store.Hit) bool{}
	for _, one := range filters {
		key, value, _ := strings.Cut(one, "=")
		is, err := strconv.ParseBool(value)
		switch key {
		case "stars":
			var least int
			if least, err = strconv.Atoi(value); err != nil {
				return nil, usagef("filter %q: a number of stars is meant", one)
			}
			tests = append(tests, func(h store.Hit) bool { return h.Stars >= least })
		case "is-official":
			tests = append(tests, func(h store.Hit) bool { return h.Official == is })
		case "is-automated":
			tests = append(tests, func(h store.Hit) bool { return h.Automated == is })
		default:
			return nil, usagef("filter %q: results can be filtered by stars, is-official and is-automated", one)
		}
		if err != nil {
			return nil, usagef("filter %q: true or false is meant", one)
		}
	}
	return func(h store.Hit) bool {
		for _, test := range tests {
			if !test(h) {
				return false
			}
		}
		return true
	}, nil
}
