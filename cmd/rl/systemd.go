package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
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

type systemdInstallCmd struct {
	Enable  bool     `help:"Start it at boot from now on."`
	Now     bool     `help:"Start it at once."`
	Replace bool     `help:"Replace units that are there already."`
	What    []string `arg:"" passthrough:"partial" name:"what"`

	needed map[string]bool // units that were not asked for, but are needed by those
}

func (c *systemdInstallCmd) Run(a *app) error {
	if c.Enable || c.Now { // which asks systemd: can it be asked?
		if err := systemctl(a, "show", "--property=Version"); err != nil {
			return err
		}
	}
	units, err := c.units(a)
	if err != nil {
		return err
	}
	dir, err := unitFolder()
	if err != nil {
		return err
	}
	if units, err = c.free(dir, units); err != nil {
		return err
	}
	for _, u := range units {
		if err := writeUnit(dir, u); err != nil {
			return err
		}
		a.printf("%s\n", filepath.Join(dir, u.Name))
	}
	return c.activate(a, units)
}

// units are those to be installed, each after those it needs.
func (c *systemdInstallCmd) units(a *app) ([]*systemd.Unit, error) {
	if c.What[0] == "run" {
		name, err := createFor(a, c.What[1:])
		if err != nil {
			return nil, err
		}
		u, err := a.unitOf(name)
		return []*systemd.Unit{u}, err
	}
	byName, needs := map[string]*systemd.Unit{}, map[string][]string{}
	for todo := slices.Clone(c.What); len(todo) > 0; todo = todo[1:] {
		u, others, err := a.describeUnit(todo[0])
		if err != nil {
			return nil, err
		}
		name := filepath.Base(todo[0])
		byName[name], needs[name] = u, others
		for _, other := range others {
			if beside := filepath.Join(filepath.Dir(todo[0]), other); byName[other] == nil && !slices.Contains(todo, beside) {
				todo = append(todo, beside)
			}
		}
	}
	order, err := systemd.Order(needs)
	if err != nil {
		return nil, usagef("%w", err)
	}
	c.needed = map[string]bool{}
	var units []*systemd.Unit
	for _, name := range order {
		u := byName[name]
		units = append(units, u)
		c.needed[u.Name] = !slices.ContainsFunc(c.What, func(what string) bool { return filepath.Base(what) == name })
	}
	return units, nil
}

// free returns the units that are to be written, and refuses to overwrite
// others, before anything is. What is only needed may be there already.
func (c *systemdInstallCmd) free(dir string, units []*systemd.Unit) ([]*systemd.Unit, error) {
	var write []*systemd.Unit
	for _, u := range units {
		path := filepath.Join(dir, u.Name)
		data, err := os.ReadFile(path)
		there := !errors.Is(err, os.ErrNotExist)
		if err != nil && there {
			return nil, usagef("%w", err)
		}
		if there && !strings.HasPrefix(string(data), systemd.Mark) {
			return nil, usagef("%s is there already and not from rl: remove it or choose another name", path)
		}
		if there && !c.Replace && !c.needed[u.Name] {
			return nil, usagef("%s is there already: give --replace, or rl systemd remove %s", path, u.Name)
		}
		if !there || !c.needed[u.Name] {
			write = append(write, u)
		}
	}
	return write, nil
}

// activate tells systemd of the new units.
func (c *systemdInstallCmd) activate(a *app, units []*systemd.Unit) error {
	if err := systemctl(a, "daemon-reload"); err != nil {
		if c.Enable || c.Now {
			return err
		}
		a.warnf("the units are written, but systemd does not know of them yet: %v", err)
		return nil
	}
	var names, enable []string
	for _, u := range units {
		if c.Enable && (u.Has("Install", "WantedBy") || u.Has("Install", "RequiredBy")) {
			enable = append(enable, u.Name)
		}
		if !strings.HasSuffix(u.Name, "@.service") {
			names = append(names, u.Name)
		}
	}
	if len(enable) > 0 {
		if err := systemctl(a, append([]string{"enable", "--quiet"}, enable...)...); err != nil {
			return err
		}
		a.noteLinger()
	}
	if c.Now && len(names) > 0 {
		return systemctl(a, append([]string{"start"}, names...)...)
	}
	return nil
}

// describeUnit returns the unit of a container, or of a Quadlet file and the
// names of others that it needs.
func (a *app) describeUnit(what string) (*systemd.Unit, []string, error) {
	if !systemd.IsQuadlet(what) {
		u, err := a.unitOf(what)
		return u, nil, err
	}
	text, err := os.ReadFile(what)
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	program, err := ownProgram()
	if err != nil {
		return nil, nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(what))
	if err != nil {
		return nil, nil, usagef("the current folder is gone: %w; change to another", err)
	}
	read := func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		return string(text), err
	}
	u, needs, err := systemd.FromQuadlet(filepath.Base(what), string(text), systemd.Options{Program: program, Dir: dir, Read: read})
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	return u, needs, nil
}

// ownProgram is the absolute path of this program.
func ownProgram() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program's own file: %w", err)
	}
	return program, nil
}

// unitOf describes the unit of an existing container.
func (a *app) unitOf(ref string) (*systemd.Unit, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	v, err := store.Find(ref)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if v.AutoRemove {
		return nil, usagef("container %s is removed when it ends (--rm): a unit could not start it again", v.Name)
	}
	facts, err := spec.FactsOf(v.Spec)
	if err != nil {
		return nil, err
	}
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	c := systemd.Container{
		Program: program, Name: v.Name, Image: v.Image, Restart: facts.Restart.Name,
		StopTimeout: time.Duration(facts.StopTimeout) * time.Second, Notify: v.Options.SDNotify == spec.NotifyContainer,
	}
	for _, id := range facts.Join {
		if other, err := store.Load(id); err == nil && !slices.Contains(c.Needs, other.Name+".service") {
			c.Needs = append(c.Needs, other.Name+".service")
		}
	}
	return systemd.ForContainer(c), nil
}

// createFor makes a container from the flags of run and returns its id.
func createFor(a *app, args []string) (string, error) {
	cmd, flags := commandIndex()["create"], new(createCmd)
	if err := parse(a, cmd, flags, args); err != nil {
		if errors.Is(err, errHelp) {
			return "", exitCode(0)
		}
		return "", usagef("%w\nSee 'rl help create'", err)
	}
	o, err := flags.options()
	if err != nil {
		return "", err
	}
	r, err := a.runner(flags.Pull)
	if err != nil {
		return "", err
	}
	session, err := flags.create(r, o, false, runner.Attach{})
	if err != nil {
		return "", startError(err)
	}
	a.printNotes(session.Notes)
	return session.ID, session.Close()
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
	if err := c.disable(a); err != nil {
		a.warnf("%v", err)
	}
	for _, name := range c.Units {
		if err := os.Remove(filepath.Join(dir, unitName(name))); err != nil {
			return err
		}
		a.printf("%s\n", unitName(name))
	}
	if err := systemctl(a, "daemon-reload"); err != nil {
		a.warnf("%v", err)
	}
	return nil
}

// disable stops the units, but for templates, which cannot run themselves.
func (c *systemdRemoveCmd) disable(a *app) error {
	var units, templates []string
	for _, name := range c.Units {
		if name = unitName(name); strings.HasSuffix(name, "@.service") {
			templates = append(templates, name)
		} else {
			units = append(units, name)
		}
	}
	var failed []error
	if len(units) > 0 {
		failed = append(failed, systemctl(a, append([]string{"disable", "--quiet", "--now"}, units...)...))
	}
	if len(templates) > 0 {
		failed = append(failed, systemctl(a, append([]string{"disable", "--quiet"}, templates...)...))
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

type systemdMayStartCmd struct {
	Container string `arg:""`
}

// Run fails for a container that is to stay stopped, because a person stopped
// it before the machine started anew.
func (c *systemdMayStartCmd) Run(a *app) error {
	_, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	facts, err := spec.FactsOf(v.Spec)
	if err == nil && facts.Restart.Name == "unless-stopped" && v.Stopped && v.Boot != process.Boot() {
		return &exitError{1, fmt.Errorf("container %s was stopped before the reboot and stays so: rl start %s", v.Name, v.Name)}
	}
	return err
}

// unitName is the file of a unit that was named with or without its ending.
func unitName(name string) string {
	if strings.HasSuffix(name, ".service") {
		return name
	}
	return name + ".service"
}

// unitFolder is where a person's units are, for root those of the machine.
func unitFolder() (string, error) {
	if os.Geteuid() == 0 {
		return "/etc/systemd/system", nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", usagef("where do units go? %w", err)
	}
	return filepath.Join(config, "systemd/user"), nil
}

func writeUnit(dir string, u *systemd.Unit) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, u.Name)
	if err := os.WriteFile(path+".rl-new", []byte(u.String()), 0o644); err != nil {
		return errors.Join(err, os.Remove(path+".rl-new"))
	}
	return os.Rename(path+".rl-new", path)
}

// systemctl asks the person's systemd, or for root the machine's.
func systemctl(a *app, args ...string) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return usagef("this machine is not run by systemd: units do nothing on it; --restart works while you are logged in")
	}
	if os.Geteuid() != 0 {
		if _, err := a.dirs(); err != nil { // which find the runtime folder
			return err
		}
		if os.Getenv("XDG_RUNTIME_DIR") == "" {
			return usagef("XDG_RUNTIME_DIR is not set, so your systemd cannot be found: log in by ssh or a console rather than by su or sudo, or use machinectl shell %s@", os.Getenv("USER"))
		}
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(context.Background(), "systemctl", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %s", strings.Join(args, " "), firstLine(string(out), err))
	}
	return nil
}

func firstLine(out string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if line == "" {
		return err.Error()
	}
	return line
}
