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

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/systemd"
)

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
	units, err := c.install(a)
	if err != nil {
		return err
	}
	return c.activate(a, units)
}

// install writes the units of all, or none. A new container goes again if it
// cannot have one.
func (c *systemdInstallCmd) install(a *app) ([]*systemd.Unit, error) {
	if c.What[0] != "run" {
		return c.write(a)
	}
	id, err := createFor(a, c.What[1:])
	if err != nil {
		return nil, err
	}
	c.What = []string{id}
	units, err := c.write(a)
	if err != nil {
		return nil, errors.Join(err, a.discard(id))
	}
	return units, nil
}

// discard removes a container that has not run.
func (a *app) discard(id string) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	return s.Remove(context.Background(), id, runner.RemoveOptions{Volumes: true})
}

func (c *systemdInstallCmd) write(a *app) ([]*systemd.Unit, error) {
	units, err := c.units(a)
	if err != nil {
		return nil, err
	}
	dir, err := unitFolder()
	if err != nil {
		return nil, err
	}
	if units, err = c.free(dir, units); err != nil {
		return nil, err
	}
	for _, u := range units {
		if err := writeUnit(dir, u); err != nil {
			return nil, err
		}
		a.printf("%s\n", filepath.Join(dir, u.Name))
	}
	return units, nil
}

// units are those to be installed, each after those it needs.
func (c *systemdInstallCmd) units(a *app) ([]*systemd.Unit, error) {
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
	var names, enable []string
	for _, u := range units {
		if c.Enable && (u.Has("Install", "WantedBy") || u.Has("Install", "RequiredBy")) {
			enable = append(enable, u.Name)
		}
		if !strings.HasSuffix(u.Name, "@.service") {
			names = append(names, u.Name)
		}
	}
	if err := c.announce(a, enable); err != nil {
		return err
	}
	if len(enable) > 0 {
		a.noteLinger()
	}
	if c.Now && len(names) > 0 {
		return systemctl(a, append([]string{"start"}, names...)...)
	}
	return nil
}

// announce has systemd read all units, once: it does so when it enables some.
func (c *systemdInstallCmd) announce(a *app, enable []string) error {
	if len(enable) > 0 {
		return systemctl(a, append([]string{"enable", "--quiet"}, enable...)...)
	}
	err := systemctl(a, "daemon-reload")
	if err == nil || c.Enable || c.Now {
		return err
	}
	a.warnf("the units are written, but systemd does not know of them yet: %v", err)
	return nil
}

// describeUnit returns the unit of a container or of a Quadlet file, and the
// names of others that it needs.
func (a *app) describeUnit(what string) (*systemd.Unit, []string, error) {
	switch filepath.Ext(what) {
	case ".pod", ".kube":
		return nil, nil, usagef("%s: rl has no pods: write a .container file for each container of it", what)
	}
	if !systemd.IsQuadlet(what) {
		return a.unitOf(what)
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
	u, needs, err := systemd.FromQuadlet(filepath.Base(what), string(text), systemd.Options{Program: program, Dir: dir, Read: read, Check: a.checkRun})
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	return u, needs, nil
}

// checkRun fails for flags that run would refuse, whatever others are with them.
func (a *app) checkRun(flags []string) error {
	cmd := new(runCmd)
	if err := parse(a, commandIndex()["run"], cmd, append(slices.Clone(flags), "image")); err != nil {
		return err
	}
	return cmd.publish(new(runner.CreateOptions))
}

// ownProgram is the absolute path of this program.
func ownProgram() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program's own file: %w", err)
	}
	return program, nil
}

// unitOf describes the unit of an existing container, and names the containers
// whose namespaces it joins.
func (a *app) unitOf(ref string) (*systemd.Unit, []string, error) {
	store, err := a.store()
	if err != nil {
		return nil, nil, err
	}
	v, err := store.Find(ref)
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	if v.AutoRemove {
		return nil, nil, usagef("container %s is removed when it ends (--rm): a unit could not start it again", v.Name)
	}
	facts, err := spec.FactsOf(v.Spec)
	if err != nil {
		return nil, nil, err
	}
	program, err := ownProgram()
	if err != nil {
		return nil, nil, err
	}
	c := systemd.Container{
		Program: program, Name: v.Name, Image: v.Image, Restart: facts.Restart.Name,
		StopTimeout: time.Duration(facts.StopTimeout) * time.Second, Notify: v.Options.SDNotify == spec.NotifyContainer,
		BackOff: systemdVersion() >= systemd.BackOffVersion,
	}
	var joined []string
	for _, id := range facts.Join {
		if other, err := store.Load(id); err == nil && !slices.Contains(joined, other.Name) {
			c.Needs, joined = append(c.Needs, other.Name+".service"), append(joined, other.Name)
		}
	}
	return systemd.ForContainer(c), joined, nil
}

// systemdVersion is that of the machine, 0 where there is none.
func systemdVersion() (version int) {
	if out, err := exec.Command("systemctl", "--version").Output(); err == nil {
		fmt.Sscanf(string(out), "systemd %d", &version)
	}
	return version
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
	r, err := a.runner(flags.resolveFlags()...)
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
