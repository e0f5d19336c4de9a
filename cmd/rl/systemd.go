package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/systemd"
)

var systemdCommands = []command{
	{
		name: "systemd install", group: groupServices, makes: true,
		summary: "Write systemd units that keep containers running", usage: "[flags] CONTAINER | FILE... | run [RUN FLAGS] IMAGE [COMMAND...]",
		examples: []string{"rl systemd install --enable --now web", "rl systemd install web.container data.volume"},
		new:      func() any { return new(systemdInstallCmd) },
	},
	{
		name: "systemd show", group: groupServices,
		summary: "Print a container's or Quadlet file's unit, not installing it", usage: "CONTAINER | FILE",
		examples: []string{"rl systemd show web", "rl systemd show ./web.container"},
		new:      func() any { return new(systemdShowCmd) },
	},
	{
		name: "systemd enable", group: groupServices,
		summary: "Start units at boot", usage: "[flags] UNIT...",
		examples: []string{"rl systemd enable web", "rl systemd enable --now web"},
		new:      func() any { return &systemdSwitchCmd{verb: "enable"} },
	},
	{
		name: "systemd disable", group: groupServices,
		summary: "Start units no more at boot", usage: "[flags] UNIT...",
		examples: []string{"rl systemd disable web", "rl systemd disable --now web"},
		new:      func() any { return &systemdSwitchCmd{verb: "disable"} },
	},
	{
		name: "systemd remove", group: groupServices,
		summary: "Stop units and remove their files; containers stay", usage: "UNIT...",
		examples: []string{"rl systemd remove web", "rl systemd remove web data-volume"},
		new:      func() any { return new(systemdRemoveCmd) },
	},
	{
		name: "systemd list", aliases: []string{"systemd ls"}, group: groupServices,
		summary: "List the units that rl has written", usage: "",
		examples: []string{"rl systemd list", "rl systemd ls"},
		new:      func() any { return new(systemdListCmd) },
	},
	{
		name: "systemd may-start", summary: "Whether a unit may start its container", usage: "CONTAINER",
		new: func() any { return new(systemdMayStartCmd) },
	},
}

type systemdShowCmd struct {
	What string `arg:"" name:"what"`
}

func (c *systemdShowCmd) Run(a *app) error {
	if dir, err := unitFolder(); err == nil && !systemd.IsQuadlet(c.What) {
		if text, err := os.ReadFile(filepath.Join(dir, unitName(c.What))); err == nil {
			a.printf("%s", text)
			return nil
		}
	}
	u, _, err := a.describeUnit(c.What)
	if err != nil {
		return err
	}
	a.printf("%s", u)
	return nil
}

type systemdSwitchCmd struct {
	verb  string
	Now   bool     `help:"Start or stop it at once, too."`
	Units []string `arg:"" name:"unit"`
}

func (c *systemdSwitchCmd) Run(a *app) error {
	dir, err := unitFolder()
	if err != nil {
		return err
	}
	args := []string{c.verb, "--quiet"}
	if c.Now {
		args = append(args, "--now")
	}
	for _, name := range c.Units {
		if err := checkOurs(dir, name); err != nil {
			return err
		}
		args = append(args, unitName(name))
	}
	if err := systemctl(a, args...); err != nil {
		return err
	}
	if c.verb == "enable" {
		a.noteLinger()
	}
	return nil
}

// checkOurs refuses a unit that rl has not written. That of an instance is its
// template's.
func checkOurs(dir, name string) error {
	file := unitName(name)
	if before, _, ok := strings.Cut(file, "@"); ok {
		file = before + "@.service"
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil || !strings.HasPrefix(string(text), systemd.Mark) {
		return usagef("there is no unit %s of rl's: rl systemd list shows those there are", file)
	}
	return nil
}

type systemdRemoveCmd struct {
	Units []string `arg:"" name:"unit"`
}

func (c *systemdRemoveCmd) Run(a *app) error {
	dir, err := unitFolder()
	if err != nil {
		return err
	}
	for _, name := range c.Units {
		if err := checkOurs(dir, name); err != nil {
			return err
		}
	}
	unreachable := c.disable(a)
	if unreachable != nil {
		a.warnf("%v", unreachable)
	}
	for _, name := range c.Units {
		if err := os.Remove(filepath.Join(dir, unitName(name))); err != nil && !errors.Is(err, os.ErrNotExist) { // an instance has none
			return err
		}
		a.printf("%s\n", unitName(name))
	}
	if err := systemctl(a, "daemon-reload"); err != nil && unreachable == nil {
		a.warnf("%v", err)
	}
	return nil
}

// disable stops the units, of templates all instances. Systemd reads its files
// again when they are removed.
func (c *systemdRemoveCmd) disable(a *app) error {
	var units, templates, instances []string
	for _, name := range c.Units {
		if name = unitName(name); strings.HasSuffix(name, "@.service") {
			templates = append(templates, name)
			instances = append(instances, strings.Replace(name, "@", "@*", 1))
		} else {
			units = append(units, name)
		}
	}
	var failed []error
	if len(units) > 0 {
		failed = append(failed, systemctl(a, append([]string{"disable", "--quiet", "--no-reload", "--now"}, units...)...))
	}
	if len(templates) > 0 {
		failed = append(failed, systemctl(a, append([]string{"disable", "--quiet", "--no-reload"}, templates...)...),
			systemctl(a, append([]string{"stop"}, instances...)...))
	}
	return errors.Join(failed...)
}

type systemdListCmd struct{}

func (c *systemdListCmd) Run(a *app) error {
	dir, err := unitFolder()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".service") && checkOurs(dir, e.Name()) == nil {
			a.printf("%s\n", e.Name())
		}
	}
	return nil
}
