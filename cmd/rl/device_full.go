//go:build !split && containers_image_openpgp

package main

import (
	"encoding/json"

	"github.com/rl-project/rl/runner/cdi"
)

func (c *cdiCmd) Run(a *app) error {
	gpus, err := c.requests()
	if err != nil {
		return err
	}
	found, err := cdi.Find(cdiDirs(), c.Device, gpus)
	if err != nil {
		return usagef("%w", err)
	}
	return json.NewEncoder(a.stdout).Encode(found)
}
