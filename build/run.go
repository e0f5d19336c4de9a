package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

// runFile is where a heredoc that begins with "#!" is put.
const runFile = "/dev/pipes/"

// execution is a RUN, read.
type execution struct {
	args     []string
	script   string // of a heredoc with an interpreter of its own
	network  string
	insecure bool
	mounts   []*instructions.Mount
	devices  *spec.Injection // nil for none
	absent   []string        // devices that are not there and need not be
}

func (s *stage) runCommand(ctx context.Context, c *instructions.RunCommand) error {
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	short, err := s.shortRunKey(ctx, e)
	if err != nil {
		return err
	}
	command := "RUN " + s.withArgs(e.args) + " # buildkit"
	if found, err := s.recallShort(ctx, s.layers(), oneLine(c.String()), command, short); found || err != nil {
		return err
	}
	mounts, err := s.mountKeys(ctx, e.mounts, nil)
	if err != nil {
		return err
	}
	key := s.runKeyWith(e, mounts)
	err = s.change(ctx, oneLine(c.String()), command, key, func(log *stepLog, w *workspace) error {
		if err := s.process(ctx, e, log, w); err != nil {
			return s.debug(ctx, e, log, w, err)
		}
		if w.torn = s.changed(ctx, e.mounts, mounts); w.torn {
			log.print("WARN: files of the context changed meanwhile: the next build does the step again")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.history(command, true)
	return s.alias(short)
}

// oneLine is the first line of an instruction.
func oneLine(text string) string {
	text, _, more := strings.Cut(text, "\n")
	if more {
		text += " ..."
	}
	return text
}

func (s *stage) execution(c *instructions.RunCommand) (execution, error) {
	e := execution{args: c.CmdLine, mounts: instructions.GetMounts(c)}
	if len(c.Files) > 0 {
		heredoc(c, &e)
	}
	if c.PrependShell && e.script == "" {
		e.args = append(s.shell(), strings.Join(e.args, " "))
	}
	switch e.network = instructions.GetNetwork(c); e.network {
	case "", instructions.NetworkDefault:
		e.network = s.b.Network
	}
	e.insecure = instructions.GetSecurity(c) == instructions.SecurityInsecure
	if err := s.b.allowed(e); err != nil {
		return e, err
	}
	var err error
	e.devices, e.absent, err = s.b.devices(instructions.GetDevices(c))
	return e, err
}

// allowed refuses what lets a RUN out of its box unless the person said so: a
// Dockerfile may be somebody else's.
func (b *builder) allowed(e execution) error {
	if e.network == "host" && b.Network != "host" && !slices.Contains(b.Allow, "network.host") {
		return errors.New("RUN --network=host is not allowed: to trust this Dockerfile with the host's network, add --allow network.host")
	}
	if e.insecure && !slices.Contains(b.Allow, "security.insecure") {
		return errors.New("RUN --security=insecure is not allowed: to trust this Dockerfile with every capability, add --allow security.insecure")
	}
	return nil
}

// heredoc puts the text of heredocs where the command finds it.
func heredoc(c *instructions.RunCommand, e *execution) {
	only := c.Files[0]
	if parser.MustParseHeredoc(c.CmdLine[0]) == nil {
		// One among other words of a command: the shell reads it again.
		text := c.CmdLine[0]
		for _, f := range c.Files {
			text += "\n" + f.Data + f.Name
		}
		e.args = []string{text}
		return
	}
	text := only.Data
	if only.Chomp {
		text = parser.ChompHeredocContent(text)
	}
	e.args = []string{text}
	if strings.HasPrefix(text, "#!") {
		e.args, e.script = []string{runFile + path.Base(only.Name)}, text
	}
}

// withArgs is a command with the build arguments that it may have used.
func (s *stage) withArgs(args []string) string {
	env := shell.EnvsFromSlice(s.env)
	var used []string
	at := map[string]int{}
	for _, a := range s.args {
		value, ok := env.Get(a.Key)
		if !ok {
			value = a.ValueString()
		}
		if i, ok := at[a.Key]; ok {
			used[i] = a.Key + "=" + value
			continue
		}
		at[a.Key] = len(used)
		used = append(used, a.Key+"="+value)
	}
	if len(used) > 0 {
		used = append([]string{fmt.Sprintf("|%d", len(used))}, used...)
	}
	return strings.Join(append(used, args...), " ")
}

// shortRunKey is one that can be told without the files of the stages that are mounted,
// "" if there are none.
func (s *stage) shortRunKey(ctx context.Context, e execution) (string, error) {
	stages := map[string]string{}
	for _, m := range e.mounts {
		if m.Type != instructions.MountTypeBind {
			continue
		}
		other, err := s.copiesFrom(ctx, m.From)
		if err != nil {
			return "", err
		}
		if other != nil {
			stages[m.From] = other.key
		}
	}
	if len(stages) == 0 {
		return "", nil
	}
	mounts, err := s.mountKeys(ctx, e.mounts, stages)
	if err != nil {
		return "", err
	}
	return keyOf("short", s.runKeyWith(e, mounts)), nil
}

// runKeyWith is made of everything that decides what a RUN does.
func (s *stage) runKeyWith(e execution, mounts []string) string {
	c := s.image.Config
	return keyOf("run", s.key, e.args, e.script, e.network, e.insecure, e.devices, mounts, s.env, c.User, c.WorkingDir,
		s.b.Hosts, s.b.ShmSize, s.b.Ulimits, s.b.SecurityOpt, s.b.Seccomp)
}

// process executes a RUN.
func (s *stage) process(ctx context.Context, e execution, log *stepLog, w *workspace) error {
	step, undo, err := s.runStep(ctx, e, log, w)
	defer func() { undo.run() }()
	if err != nil {
		return err
	}
	out, closed, err := pipeTo(log)
	if err != nil {
		return err
	}
	step.Stdout, step.Stderr = out, out
	ended, err := step.Run(ctx)
	out.Close()
	<-closed
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err != nil:
		var start *runner.StartError
		if errors.As(err, &start) {
			return &ExitError{Command: strings.Join(e.args, " ") + ": " + start.Text, Code: start.Code}
		}
		return err
	case ended.Code != 0:
		return &ExitError{Command: strings.Join(e.args, " "), Code: ended.Code, OOM: ended.OOMKilled}
	}
	return nil
}

// undo is what is to be done after a step, the last first.
type undo []func()

func (u *undo) add(f func()) { *u = append(*u, f) }

func (u *undo) run() {
	for i := len(*u) - 1; i >= 0; i-- {
		(*u)[i]()
	}
}

// runStep prepares the process of a RUN.
func (s *stage) runStep(ctx context.Context, e execution, log *stepLog, w *workspace) (runner.Step, *undo, error) {
	undo := new(undo)
	step := runner.Step{
		ID: newID(), Config: s.config(), Mount: w.mount(), Root: w.root(), Seccomp: s.b.Seccomp,
		Options: spec.Options{
			Args: e.args, Hostname: runner.StepHostname, Network: "none", Privileged: e.insecure,
			ShmSize: s.b.ShmSize, Ulimits: s.b.Ulimits, Limits: s.b.Limits, Env: s.proxies(),
			SecurityOpt: s.b.SecurityOpt, CgroupParent: s.b.CgroupParent, Injection: e.devices,
		},
	}
	switch e.network {
	case "host":
		step.Options.Network = "host"
	case "", "default":
		network, err := s.b.networks.take(ctx, runner.Store{Dirs: s.b.places})
		if err != nil {
			return step, undo, err
		}
		step.Network = network
		undo.add(func() { s.b.networks.give(network) })
		for _, line := range network.Warnings {
			log.print("WARN: " + line)
		}
	case "none":
	default:
		return step, undo, fmt.Errorf("network %q: choose default, none or host", e.network)
	}
	for _, name := range e.absent {
		log.print("WARN: there is no device " + name + " in CDI files")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return step, undo, err
	}
	undo.add(func() { null.Close() })
	step.Stdin = null
	if step.Files, err = s.b.stepFiles(w.dir, step.Network, e.network); err != nil {
		return step, undo, err
	}
	step.Open = w.readBelow
	if err := w.stubs(step.Files); err != nil {
		return step, undo, err
	}
	return step, undo, s.addMounts(ctx, e, &step, w, undo)
}

// proxies are those build arguments that need no ARG.
func (s *stage) proxies() []string {
	var env []string
	for key, value := range s.b.Args {
		if isProxyArg(key) {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// stubs makes the mount points that every RUN has.
func (w *workspace) stubs(files map[string]string) error {
	var err error
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		err = errors.Join(err, w.stub(dir, true))
	}
	for path := range files {
		err = errors.Join(err, w.stub(path, false))
	}
	return err
}

// readBelow opens a file of the image below the step, its list of users for
// example. The layers are looked through without mounting them.
func (w *workspace) readBelow(path string) (io.ReadCloser, error) {
	return tree.OpenLayered(w.lower, path)
}

// pipeTo makes a pipe whose text goes to log; closed is closed when all of it has.
func pipeTo(log *stepLog) (*os.File, <-chan struct{}, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer reader.Close()
		_, _ = io.Copy(log, reader)
	}()
	return writer, closed, nil
}
