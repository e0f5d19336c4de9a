package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/userns"
)

var resetCommands = []command{
	{
		name: "system reset", group: groupSystem,
		summary: "Remove everything that rl has stored", usage: "[flags]",
		examples: []string{"rl system reset", "rl system reset -f --images"},
		new:      func() any { return new(systemResetCmd) },
	},
	{name: "reset", where: inFull, new: func() any { return new(resetCmd) }},
}

type resetFlags struct {
	Force  bool `short:"f" help:"Do not ask."`
	Images bool `help:"Remove all images even where Podman or another program uses the same store."`
}

// systemResetCmd has the work done in the user namespace, to whose ids most
// files belong, and then removes what is left: the folders themselves and the
// process that keeps the namespace alive.
type systemResetCmd struct{ resetFlags }

// resetCmd is that work. It ends with exitCanceled if the person said no.
type resetCmd struct{ resetFlags }

// exitCanceled is none of the codes that rl ends with otherwise.
const exitCanceled = 99

func (c *systemResetCmd) Run(a *app) error {
	places, err := a.dirs()
	if err != nil {
		return err
	}
	if !places.HasData() && !c.Images { // images may be left of before
		a.printf("There is nothing to remove.\n")
		return nil
	}
	args := []string{"reset"}
	if c.Force {
		args = append(args, "--force")
	}
	if c.Images {
		args = append(args, "--images")
	}
	err = a.runInside(inFull, args)
	exit := new(exitError)
	if errors.As(err, &exit) && exit.code == exitCanceled {
		return nil
	}
	if err != nil {
		return err
	}
	if err := userns.End(a.places); err != nil {
		return err
	}
	return errors.Join(removeFolder(a.places.Data), removeFolder(a.places.Runtime))
}

// removeFolder removes a folder, or what is in one that is a mount point.
func removeFolder(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}
