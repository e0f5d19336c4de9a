//go:build !split && containers_image_openpgp

package main

import (
	"strings"

	"github.com/docker/go-units"

	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/storage/store"
)

func (c *infoCmd) Run(a *app) error {
	containers, err := a.store()
	if err != nil {
		return err
	}
	r := newInfo(a.places)
	views, failed := containers.Glance(false)
	r.count(views)
	images, err := a.images()
	if err != nil {
		return err
	}
	list, err := images.List(store.Filter{})
	if err != nil {
		return err
	}
	at := images.Location()
	r.Images, r.Driver, r.DriverStatus = len(list), at.Driver, [][2]string{{"Folder", at.Home}}
	if c.Format != "" {
		err = format.Values(a.stdout, c.Format, []infoReport{r})
	} else {
		r.print(a)
	}
	if err != nil {
		return err
	}
	return failed
}

// print writes the report for people.
func (r *infoReport) print(a *app) {
	for _, line := range []struct {
		title, format string
		values        []any
	}{
		{"Version", "%s", []any{r.ServerVersion}},
		{"Containers", "%d (%d running, %d paused, %d stopped)", []any{r.Containers, r.ContainersRunning, r.ContainersPaused, r.ContainersStopped}},
		{"Containers in", "%s", []any{r.DockerRootDir}},
		{"Images", "%d", []any{r.Images}},
		{"Images in", "%s (%s)", []any{r.DriverStatus[0][1], r.Driver}},
		{"Control groups", "version %s, driver %s", []any{r.CgroupVersion, r.CgroupDriver}},
		{"Security", "%s", []any{strings.ReplaceAll(strings.Join(r.SecurityOptions, ", "), "name=", "")}},
		{"System", "%s", []any{r.OperatingSystem}},
		{"Kernel", "%s %s", []any{r.KernelVersion, r.Architecture}},
		{"Processors", "%d", []any{r.NCPU}},
		{"Memory", "%s", []any{units.BytesSize(float64(r.MemTotal))}},
	} {
		a.printf("%-16s"+line.format+"\n", append([]any{line.title + ":"}, line.values...)...)
	}
	for _, w := range r.Warnings {
		a.printf("%-16s%s\n", "Warning:", w)
	}
}
