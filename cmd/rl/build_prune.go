//go:build !split && containers_image_openpgp

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"github.com/rl-project/rl/build"
)

func (c *builderPruneCmd) Run(a *app) error {
	until, keep, err := c.limits(time.Now())
	if err != nil {
		return usagef("%w", err)
	}
	if !c.Force && !a.confirm("This will remove the results of build steps that no build uses.") {
		return nil
	}
	places, err := a.dirs()
	if err != nil {
		return err
	}
	spared, err := sparedBytes(places.Data, keep)
	if err != nil {
		return err
	}
	done, err := pruneBuildCache(places.Data, until, spared)
	a.printPruned(done)
	return err
}

// pruneBuildCache removes results that were last used before until, at any time
// if it is zero, but for the spared ones.
func pruneBuildCache(data string, until time.Time, spared []string) (pruned, error) {
	removed, err := build.Prune(data, func(r build.Record) bool {
		return !slices.Contains(spared, r.ID) && (until.IsZero() || r.Used.Before(until))
	})
	done := pruned{title: "Deleted build cache objects:"}
	for _, r := range removed {
		done.lines, done.bytes = append(done.lines, r.ID), done.bytes+r.Bytes
	}
	return done, err
}

// limits reads --filter and --keep-storage.
func (c *builderPruneCmd) limits(now time.Time) (until time.Time, keep int64, err error) {
	for _, word := range c.Filter {
		value, ok := strings.CutPrefix(word, "until=")
		if !ok {
			return until, 0, fmt.Errorf("unknown filter %q: there is until=TIME", word)
		}
		if until, err = parseTimestamp(value, now); err != nil {
			return until, 0, fmt.Errorf("filter %q: %w", word, err)
		}
	}
	if c.KeepStorage != "" {
		if keep, err = units.RAMInBytes(c.KeepStorage); err != nil {
			return until, 0, fmt.Errorf("--keep-storage %q is not a size like 2g", c.KeepStorage)
		}
	}
	return until, keep, nil
}

// sparedBytes returns the results that were used last and together take no more
// than keep bytes.
func sparedBytes(data string, keep int64) (ids []string, err error) {
	if keep == 0 {
		return nil, nil
	}
	records, err := build.Records(data)
	for _, r := range slices.Backward(records) {
		if keep -= r.Bytes; keep < 0 {
			break
		}
		ids = append(ids, r.ID)
	}
	return ids, err
}

// countBuildCache adds up the build cache for `system df`.
func (r *dfReport) countBuildCache(a *app) error {
	r.cache.kind = "Build Cache"
	places, err := a.dirs()
	if err != nil {
		return err
	}
	records, err := build.Records(places.Data)
	for _, c := range records {
		row := cacheRow{ID: c.ID, CacheType: c.Type, Size: units.HumanSize(float64(c.Bytes)), InUse: strconv.FormatBool(c.InUse),
			CreatedSince: units.HumanDuration(time.Since(c.Created)) + " ago", LastUsedSince: units.HumanDuration(time.Since(c.Used)) + " ago",
			Description: c.Command}
		r.BuildCache = append(r.BuildCache, row)
		r.cache.total++
		r.cache.bytes += c.Bytes
		if c.InUse {
			r.cache.active++
		} else {
			r.cache.reclaimable += c.Bytes
		}
	}
	return err
}

// cacheRow is one step's result in `system df -v`.
type cacheRow struct {
	ID, CacheType, Size, CreatedSince, LastUsedSince, InUse, Description string
}

var cacheHeader = cacheRow{
	ID: "CACHE ID", CacheType: "CACHE TYPE", Size: "SIZE", CreatedSince: "CREATED", LastUsedSince: "LAST USED",
	InUse: "IN USE", Description: "DESCRIPTION",
}
