package build

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/sys/signal"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// historyComment marks the history of images that are built the way BuildKit
// builds them; programs look for it.
const historyComment = "buildkit.dockerfile.v0"

// do carries out one instruction.
func (s *stage) do(ctx context.Context, c instructions.Command) error {
	if err := s.expand(c); err != nil {
		return err
	}
	switch c := c.(type) {
	case *instructions.RunCommand:
		return s.runCommand(ctx, c)
	case *instructions.CopyCommand:
		return s.copyFiles(ctx, copyOf(c))
	case *instructions.AddCommand:
		return s.copyFiles(ctx, addOf(c))
	case *instructions.WorkdirCommand:
		return s.workdir(ctx, c)
	case *instructions.ArgCommand:
		return s.arg(c)
	case *instructions.ExposeCommand:
		return s.expose(c)
	}
	return s.configure(c)
}

// expand replaces variables in an instruction.
func (s *stage) expand(c instructions.Command) error {
	env := shell.EnvsFromSlice(s.env)
	if e, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		err := e.Expand(func(word string) (string, error) {
			word, _, err := s.b.lexer().ProcessWord(word, env)
			return word, err
		})
		if err != nil {
			return err
		}
	}
	if e, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok {
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		return e.ExpandRaw(func(word string) (string, error) {
			word, _, err := lex.ProcessWord(word, env)
			return word, err
		})
	}
	return nil
}

// history adds a line to the image's. What changes no files gets its time at the
// end, see dated.
func (s *stage) history(command string, changesFiles bool) {
	line := ispec.History{CreatedBy: command, Comment: historyComment, EmptyLayer: !changesFiles, Created: s.b.Epoch}
	if changesFiles {
		line.Created = s.created
	}
	s.image.History = append(s.image.History, line)
}

// configure carries out an instruction that changes only the configuration.
func (s *stage) configure(c instructions.Command) error {
	config := &s.image.Config
	switch c := c.(type) {
	case *instructions.EnvCommand:
		for _, e := range c.Env {
			s.env = setEnv(s.env, e.Key, e.Value)
			config.Env = setEnv(config.Env, e.Key, e.Value)
		}
		s.history("ENV"+pairs(c.Env), false)
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			config.Labels = set(config.Labels, l.Key, l.Value)
		}
		s.history("LABEL"+pairs(c.Labels), false)
	case *instructions.CmdCommand:
		config.Cmd, s.cmdSet = s.commandLine(c.ShellDependantCmdLine), true
		//lint:ignore SA1019 Docker writes it
		config.ArgsEscaped = true
		s.history(fmt.Sprintf("CMD %q", config.Cmd), false)
	case *instructions.EntrypointCommand:
		config.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
		if !s.cmdSet {
			config.Cmd = nil // it was written for the base image's entrypoint
		}
		s.history(fmt.Sprintf("ENTRYPOINT %q", config.Entrypoint), false)
	case *instructions.HealthCheckCommand:
		config.Healthcheck = (*dockerspec.HealthcheckConfig)(c.Health)
		s.history(fmt.Sprintf("HEALTHCHECK %+v", *config.Healthcheck), false)
	case *instructions.UserCommand:
		config.User = c.User
		s.history("USER "+c.User, false)
	case *instructions.VolumeCommand:
		for _, v := range c.Volumes {
			if v == "" {
				return errors.New("a VOLUME cannot be an empty string")
			}
			config.Volumes = set(config.Volumes, v, struct{}{})
		}
		s.history(fmt.Sprintf("VOLUME %v", c.Volumes), false)
	case *instructions.StopSignalCommand:
		if _, err := signal.ParseSignal(c.Signal); err != nil {
			return err
		}
		config.StopSignal = c.Signal
		s.history("STOPSIGNAL "+c.Signal, false)
	case *instructions.ShellCommand:
		config.Shell = c.Shell
		s.history(fmt.Sprintf("SHELL %v", c.Shell), false)
	case *instructions.OnbuildCommand:
		if _, err := parseOne(c.Expression); err != nil {
			return err
		}
		config.OnBuild = append(config.OnBuild, c.Expression)
	case *instructions.MaintainerCommand:
		s.image.Author = c.Maintainer
		s.history("MAINTAINER "+c.Maintainer, false)
	default:
		return fmt.Errorf("instruction %s is not known", c.Name())
	}
	return nil
}

// set adds to a map that may be nil and is nobody else's.
func set[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

func pairs(list instructions.KeyValuePairs) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(" " + p.String())
	}
	return b.String()
}

// commandLine is a command in the JSON form as it is, or else for the shell.
func (s *stage) commandLine(c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(s.shell(), strings.Join(c.CmdLine, " "))
}

func (s *stage) shell() []string {
	if len(s.image.Config.Shell) > 0 {
		return slices.Clone(s.image.Config.Shell)
	}
	return []string{"/bin/sh", "-c"}
}

// arg makes build arguments known to what follows.
func (s *stage) arg(c *instructions.ArgCommand) error {
	global, env := shell.EnvsFromSlice(s.b.global), shell.EnvsFromSlice(s.env)
	var said []string
	for _, a := range c.Args {
		value, ok := s.b.Args[a.Key]
		switch {
		case ok:
			a.Value = &value
		case a.Value != nil:
			word, _, err := s.b.lexer().ProcessWord(*a.Value, env)
			if err != nil {
				return err
			}
			a.Value = &word
		default:
			if value, ok := global.Get(a.Key); ok {
				a.Value = &value
			}
		}
		text := a.Key
		if a.Value != nil {
			text += "=" + *a.Value
			s.env = setEnv(s.env, a.Key, *a.Value)
		}
		s.args = append(s.args, a)
		said = append(said, text)
	}
	s.history("ARG "+strings.Join(said, " "), false)
	return nil
}

func (s *stage) expose(c *instructions.ExposeCommand) error {
	env := shell.EnvsFromSlice(s.env)
	var ports []string
	for _, p := range c.Ports {
		words, err := s.b.lexer().ProcessWords(p, env)
		if err != nil {
			return err
		}
		for _, w := range words {
			found, err := exposed(w)
			if err != nil {
				return err
			}
			ports = append(ports, found...)
		}
	}
	for _, p := range ports {
		s.image.Config.ExposedPorts = set(s.image.Config.ExposedPorts, p, struct{}{})
	}
	s.history(fmt.Sprintf("EXPOSE %v", ports), false)
	return nil
}

// workdir makes the folder if it is not there, which is a layer of its own.
func (s *stage) workdir(ctx context.Context, c *instructions.WorkdirCommand) error {
	dir := s.absolute(c.Path)
	s.image.Config.WorkingDir = dir
	if dir == "/" {
		s.step++
		s.history("WORKDIR /", false)
		return nil
	}
	user := s.image.Config.User
	key := keyOf("workdir", s.key, dir, user, s.b.Epoch)
	err := s.change(ctx, "WORKDIR "+dir, "WORKDIR "+dir, key, func(_ *stepLog, w *workspace) error {
		root, err := w.open()
		if err != nil {
			return err
		}
		owner, err := w.owner(user)
		if err != nil {
			return err
		}
		made, err := root.MkdirAll(dir, 0o755, owner)
		if err != nil {
			return err
		}
		return made.Close()
	})
	if err != nil {
		return err
	}
	s.history("WORKDIR "+dir, true)
	return nil
}

// absolute makes a path relative to the working directory an absolute one.
func (s *stage) absolute(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", s.image.Config.WorkingDir, name)
}

// parseOne reads an instruction that stands alone.
func parseOne(text string) (instructions.Command, error) {
	ast, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	if len(ast.AST.Children) != 1 {
		return nil, errors.New("it is not one instruction")
	}
	return instructions.ParseCommand(ast.AST.Children[0])
}
