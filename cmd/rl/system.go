package main

import (
	"fmt"
	"runtime"
)

// Version and Commit are set by the linker (see the Makefile).
var (
	version = "development"
	commit  = ""
)

var systemCommands = []command{
	{
		name: "version", group: groupSystem, summary: "Show the version of rl",
		usage: "[flags]", examples: []string{"rl version", "rl version --short"},
		new: func() any { return new(versionCmd) },
	},
}

type versionCmd struct {
	Short bool `help:"Print only the version number."`
}

func (c *versionCmd) Run(a *app) error {
	if c.Short {
		a.printf("rl version %s\n", version)
		return nil
	}
	a.printf("%s", fmt.Sprintf("rl %s %s\n%s %s/%s\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	return nil
}
