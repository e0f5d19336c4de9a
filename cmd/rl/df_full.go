//go:build !split && containers_image_openpgp

package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	units "github.com/docker/go-units"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/internal/treesize"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
	"github.com/rl-project/rl/storage/store"
	"github.com/rl-project/rl/storage/volume"
)

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

// dfReport is everything that `system df` shows.
type dfReport struct {
	Images     []imageRow
	Containers []docker.Row
	Volumes    []volumeRow
	BuildCache []cacheRow

	images, containers, volumes, cache kindUsage
}

func (c *systemDfCmd) Run(a *app) error {
	var r dfReport
	failed := errors.Join(r.countImages(a), r.countContainers(a), r.countVolumes(a), r.countBuildCache(a))
	if err := c.print(a, r); err != nil {
		return err
	}
	return failed
}

func (c *systemDfCmd) print(a *app, r dfReport) error {
	if c.Verbose {
		return c.printAll(a, r)
	}
	rows := []dfRow{r.images.row(), r.containers.row(), r.volumes.row(), r.cache.row()}
	return format.List(a.stdout, c.Format, dfColumns, dfHeader, rows)
}

// printAll prints the tables of `system df -v`, or the whole as --format says.
func (c *systemDfCmd) printAll(a *app, r dfReport) error {
	if c.Format != "" && c.Format != "table" {
		return format.Values(a.stdout, c.Format, []dfReport{r})
	}
	a.printf("Images space usage:\n\n")
	err := format.List(a.stdout, "", `{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}`,
		imageHeader, r.Images)
	a.printf("\nContainers space usage:\n\n")
	err = errors.Join(err, format.List(a.stdout, "", `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}`,
		docker.Header, r.Containers))
	a.printf("\nLocal Volumes space usage:\n\n")
	err = errors.Join(err, format.List(a.stdout, "", `{{.Name}}\t{{.Links}}\t{{.Size}}`, volumeHeader, r.Volumes))
	a.printf("\nBuild cache usage: %s\n\n", units.HumanSize(float64(r.cache.bytes)))
	return errors.Join(err, format.List(a.stdout, "", `{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.InUse}}`, cacheHeader, r.BuildCache))
}

func (r *dfReport) countImages(a *app) error {
	r.images.kind = "Images"
	s, err := a.images()
	if err != nil {
		return err
	}
	list, err := s.List(store.Filter{})
	if err != nil {
		return err
	}
	usage, err := s.Usage()
	if err != nil {
		return err
	}
	r.images.total, r.images.bytes, r.images.reclaimable = len(list), usage.Layers, usage.Layers
	for _, img := range list {
		shared := usage.Shared[img.ID]
		if img.Containers > 0 {
			r.images.active++
			r.images.reclaimable -= img.Size - shared
		}
		for _, row := range imageRows(img, func(string) bool { return true }, false) {
			row.SharedSize, row.UniqueSize = humanSize(shared), humanSize(img.Size-shared)
			r.Images = append(r.Images, row)
		}
	}
	return nil
}

func (r *dfReport) countContainers(a *app) error {
	r.containers.kind = "Containers"
	s, err := a.store()
	if err != nil {
		return err
	}
	views, err := s.List()
	failed := []error{err}
	for _, v := range views {
		size, err := s.Written(v.ID)
		failed = append(failed, err)
		r.containers.total++
		r.containers.bytes += size
		if v.Status == runner.Exited || v.Status == runner.Created {
			r.containers.reclaimable += size
		} else {
			r.containers.active++
		}
		row, err := docker.NewRow(v, docker.RowOptions{Now: time.Now(), Size: func(runner.View) (int64, error) { return size, nil }})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		row.Size = humanSize(size)
		r.Containers = append(r.Containers, row)
	}
	return errors.Join(failed...)
}

func (r *dfReport) countVolumes(a *app) error {
	r.volumes.kind = "Local Volumes"
	s, err := a.store()
	if err != nil {
		return err
	}
	volumes := volume.Store{Data: s.Data}
	users, err := s.VolumeUsers()
	if err != nil {
		return err
	}
	list, err := volumes.List()
	failed := []error{err}
	for _, v := range list {
		size, err := treesize.Bytes(volumes.Mountpoint(v.Name))
		failed = append(failed, err)
		r.volumes.total++
		r.volumes.bytes += size
		if len(users[v.Name]) == 0 {
			r.volumes.reclaimable += size
		} else {
			r.volumes.active++
		}
		row := newVolumeRow(volumes, v)
		row.Links, row.Size = strconv.Itoa(len(users[v.Name])), humanSize(size)
		r.Volumes = append(r.Volumes, row)
	}
	return errors.Join(failed...)
}
