//go:build !split && containers_image_openpgp

package main

import (
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/slirp/gvisor"
)

// fullProgram returns the program that links image handling: this one.
func fullProgram(dirs.Dirs) (string, error) { return "", nil }

func (c *uplinkCmd) Run(*app) error { return gvisor.Main(c.Args) }
