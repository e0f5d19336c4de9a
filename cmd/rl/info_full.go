//go:build !split && containers_image_openpgp

package main

import (
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
