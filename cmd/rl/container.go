package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/userns"
)

// containerCommands are in the order of a container's life.
var containerCommands = []command{
	{
		name: "run", aliases: []string{"container run"}, group: groupRun, makes: true, monitor: true,
		summary: "Create a container from an image and run a command in it", usage: "[flags] IMAGE [COMMAND [ARG...]]",
		examples: []string{"rl run -it --rm alpine", "rl run -d --name web --memory 200m -p 8080:80 -v ./site:/usr/share/nginx/html:ro nginx"},
		new:      func() any { return new(runCmd) },
	},
	{
		name: "create", aliases: []string{"container create"}, group: groupRun, makes: true, monitor: true,
		summary: "Create a container without starting it", usage: "[flags] IMAGE [COMMAND [ARG...]]",
		examples: []string{"rl create --name db -e POSTGRES_PASSWORD=secret postgres", "rl create -it alpine"},
		new:      func() any { return new(createCmd) },
	},
	{
		name: "start", aliases: []string{"container start"}, group: groupRun, monitor: true,
		summary: "Start containers that are not running", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl start db", "rl start -ai shell"},
		new:      func() any { return new(startCmd) },
	},
	{
		name: "exec", aliases: []string{"container exec"}, group: groupRun,
		summary: "Run one more command in a running container", usage: "[flags] CONTAINER COMMAND [ARG...]",
		examples: []string{"rl exec -it web sh", "rl exec -u postgres db psql -c 'select 1'"},
		new:      func() any { return new(execCmd) },
	},
	{
		name: "attach", aliases: []string{"container attach"}, group: groupRun,
		summary: "Connect to the input and output of a running container", usage: "[flags] CONTAINER",
		examples: []string{"rl attach shell", "rl attach --detach-keys ctrl-x shell"},
		new:      func() any { return new(attachCmd) },
	},
	{
		name: "stop", aliases: []string{"container stop"}, group: groupRun,
		summary: "Ask containers to end, and kill them after a while", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl stop web", "rl stop -t 60 db"},
		new:      func() any { return new(stopCmd) },
	},
	{
		name: "restart", aliases: []string{"container restart"}, group: groupRun,
		summary: "Stop containers and start them again", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl restart web", "rl restart -t 0 web db"},
		new:      func() any { return new(restartCmd) },
	},
	{
		name: "kill", aliases: []string{"container kill"}, group: groupRun,
		summary: "Send a signal to containers", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl kill web", "rl kill -s HUP web"},
		new:      func() any { return new(killCmd) },
	},
	{
		name: "wait", aliases: []string{"container wait"}, group: groupRun,
		summary: "Wait until containers end and print their exit codes", usage: "CONTAINER [CONTAINER...]",
		examples: []string{"rl wait job", "rl wait $(rl ps -q)"},
		new:      func() any { return new(waitCmd) },
	},
	{
		name: "rm", aliases: []string{"container rm", "container remove"}, group: groupRun, where: inside,
		summary: "Remove containers", usage: "[flags] CONTAINER [CONTAINER...]",
		examples: []string{"rl rm web", "rl rm -f $(rl ps -aq)"},
		new:      func() any { return new(rmCmd) },
	},
}

// store returns the person's containers, for commands that need nothing of the
// user namespace.
func (a *app) store() (runner.Store, error) {
	places, err := a.dirs()
	return runner.Store{Dirs: places}, err
}

// container finds one of them, by name or by the beginning of its id.
func (a *app) container(ref string) (s runner.Store, v runner.View, err error) {
	if s, err = a.store(); err == nil {
		v, err = s.Find(ref)
	}
	return s, v, err
}

// each does one thing to several containers: prints each one's name as it was
// typed, or what went wrong with it, and fails if anything did.
func (a *app) each(refs []string, do func(ctx context.Context, s runner.Store, v runner.View) error) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	failed := false
	for _, ref := range refs {
		v, err := store.Find(ref)
		if err == nil || errors.Is(err, runner.ErrDamaged) && a.args[0] == "rm" { // rm does not need to know more
			err = do(context.Background(), store, v)
		}
		if err != nil {
			a.warnf("%v", err)
			failed = true
			continue
		}
		a.printf("%s\n", ref)
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}

// startError gives an error from the runner the exit code that it carries.
func startError(err error) error {
	start := new(runner.StartError)
	if errors.As(err, &start) {
		return &exitError{start.Code, err}
	}
	exit := new(exitError)
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &exitError{runner.CodeFailed, err}
}

// runner returns what starts containers. flags say how an image of which
// nothing is known yet is to be found.
func (a *app) runner(flags ...string) (*runner.Runner, error) {
	ns, err := a.joined, error(nil)
	if ns == nil {
		ns, err = a.namespace()
	}
	if err != nil {
		return nil, err
	}
	resolve := func(image string) error {
		return a.runInside(inFull, resolveLine(flags, image))
	}
	r := runner.New(a.places, ns, resolve, a.early)
	r.Sockets = a.sockets
	return r, nil
}

// resolveLine is the command line that finds an image.
func resolveLine(flags []string, image string) []string {
	return slices.Concat([]string{"resolve"}, flags, []string{"--", image})
}

// startEarly starts a monitor while this process reads its flags, which takes
// as long. It does so only where nothing has to be made for it: a mistake on
// the command line changes nothing on disk, and a monitor that is asked nothing
// ends.
func (a *app) startEarly() {
	if a.inside() {
		return
	}
	places, err := a.dirs()
	if err != nil || !places.Exist() {
		return // said by who needs them
	}
	if ns := userns.Existing(places); ns != nil && places.UID != 0 {
		a.joined, a.early = ns, runner.StartEarly(ns)
	}
}

// printNotes shows what a person should know about a container that works.
func (a *app) printNotes(notes []string) {
	for _, n := range notes {
		a.warnf("%s", n)
	}
}

// writeCidfile writes a container's id to a new file.
func writeCidfile(path, id string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("--cidfile: %w", err)
	}
	_, err = f.WriteString(id)
	return errors.Join(err, f.Close())
}
