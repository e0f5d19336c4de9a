//go:build !split && containers_image_openpgp

package main

import (
	"encoding/json"

	"github.com/rl-project/rl/runner/cdi"
	"github.com/rl-project/rl/runner/spec"
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

// requests reads the GPUs that injectDevices has found to be well written.
func (c *cdiCmd) requests() ([]spec.GPURequest, error) {
	var all []spec.GPURequest
	for _, word := range c.GPUs {
		r, err := spec.ParseGPUs(word)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
