//go:build !split && containers_image_openpgp

package main

import (
	"strings"

	units "github.com/docker/go-units"

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
		r.write(a)
	}
	if err != nil {
		return err
	}
	return failed
}

// write prints the report for people, with the titles that Docker's has: there
// are scripts that look for them.
func (r *infoReport) write(a *app) {
	a.printf("Client:\n Version: %s\n\nServer:\n", r.ClientInfo.Version)
	a.printf(" Containers: %d\n  Running: %d\n  Paused: %d\n  Stopped: %d\n", r.Containers, r.ContainersRunning,
		r.ContainersPaused, r.ContainersStopped)
	a.printf(" Images: %d\n Server Version: %s\n Storage Driver: %s\n", r.Images, r.ServerVersion, r.Driver)
	for _, s := range r.DriverStatus {
		a.printf("  %s: %s\n", s[0], s[1])
	}
	a.printf(" Logging Driver: %s\n Cgroup Driver: %s\n Cgroup Version: %s\n", r.LoggingDriver, r.CgroupDriver, r.CgroupVersion)
	a.printf(" Plugins:\n  Network: %s\n  Log: %s\n", strings.Join(r.Plugins.Network, " "), strings.Join(r.Plugins.Log, " "))
	a.printf(" Security Options:\n")
	for _, o := range r.SecurityOptions {
		name, profile, _ := strings.Cut(strings.TrimPrefix(o, "name="), ",profile=")
		a.printf("  %s\n", name)
		if profile != "" {
			a.printf("   Profile: %s\n", profile)
		}
	}
	a.printf(" Kernel Version: %s\n Operating System: %s\n OSType: %s\n Architecture: %s\n CPUs: %d\n Total Memory: %s\n",
		r.KernelVersion, r.OperatingSystem, r.OSType, r.Architecture, r.NCPU, units.BytesSize(float64(r.MemTotal)))
	a.printf(" Name: %s\n Docker Root Dir: %s\n", r.Name, r.DockerRootDir)
	for _, w := range r.Warnings {
		a.warnf("%s", w)
	}
}
