package main

import (
	"errors"
	"os"

	"github.com/rl-project/rl/runner"
)

// hiddenCommands are rl's own processes; a person has no use for them.
var hiddenCommands = []command{
	{name: "monitor", where: inside, new: func() any { return new(monitorCmd) }},
	{name: "init", new: func() any { return new(initCmd) }},
}

// monitorFD is where a monitor finds the connection to the command that started it.
const monitorFD = 3

type monitorCmd struct{}

func (*monitorCmd) Run(a *app) error {
	places, err := a.dirs()
	if err != nil {
		return err
	}
	return runner.Monitor(os.NewFile(monitorFD, "command"), places, []string{"/proc/self/exe", insideName, "netd"})
}

type initCmd struct {
	Args []string `arg:"" passthrough:""`
}

func (c *initCmd) Run(*app) error {
	if os.Getpid() != 1 {
		return errors.New("this command is the first process of containers with --init")
	}
	return exitCode(runner.Init(c.Args))
}
