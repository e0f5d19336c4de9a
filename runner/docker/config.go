package docker

import (
	"slices"
	"strings"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// Config is the container independent of the machine: the image's
// configuration with the person's changes.
type Config struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Image        string // as typed
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string               `json:",omitempty"`
	StopTimeout  *int                 `json:",omitempty"`
	Healthcheck  *storage.Healthcheck `json:",omitempty"`
	Shell        []string             `json:",omitempty"`
}

func newConfig(v runner.View) Config {
	c := Config{
		Hostname:     v.Spec.Hostname,
		Domainname:   v.Spec.Domainname,
		User:         v.Config.User,
		ExposedPorts: map[string]struct{}{},
		AttachStdin:  slices.Contains(v.Options.Attach, "stdin"),
		AttachStdout: slices.Contains(v.Options.Attach, "stdout"),
		AttachStderr: slices.Contains(v.Options.Attach, "stderr"),
		StdinOnce:    v.OpenStdin && slices.Contains(v.Options.Attach, "stdin"),
		Tty:          v.Spec.Process.Terminal,
		OpenStdin:    v.OpenStdin,
		Env:          Environment(v),
		Cmd:          v.Config.Cmd,
		Image:        v.Image,
		Volumes:      v.Config.Volumes,
		WorkingDir:   v.Config.WorkingDir,
		Entrypoint:   v.Config.Entrypoint,
		Labels:       orEmpty(v.Config.Labels),
		StopSignal:   v.Options.StopSignal,
		StopTimeout:  v.Options.StopTimeout,
		Shell:        v.Config.Shell,
	}
	if facts, err := spec.FactsOf(v.Spec); err == nil && facts.Health != nil {
		c.Healthcheck = &facts.Health.Check
	}
	for port := range v.Config.ExposedPorts {
		c.ExposedPorts[withProtocol(port)] = struct{}{}
	}
	for port := range bindings(v.Ports) {
		c.ExposedPorts[port] = struct{}{}
	}
	if c.StopSignal == "" {
		c.StopSignal = v.Config.StopSignal
	}
	return c
}

// Environment is the container's, as inspect shows it: it leaves out the variables that every container is given, unless
// the image or the person set them.
func Environment(v runner.View) []string {
	facts, _ := spec.FactsOf(v.Spec) // Build wrote them: there is no error
	asked := slices.Concat(v.RootFS.Config.Env, v.Options.Env)
	env := []string{}
	for _, e := range v.Config.Env {
		name, value, _ := strings.Cut(e, "=")
		given := false
		switch name {
		case "HOSTNAME":
			given = value == v.Spec.Hostname
		case "HOME":
			given = facts.HomeFromUser
		case "TERM":
			given = value == "xterm" && v.Spec.Process.Terminal
		case "container":
			given = value == "rl"
		}
		named := func(s string) bool { return s == name || strings.HasPrefix(s, name+"=") }
		if !given || slices.ContainsFunc(asked, named) {
			env = append(env, e)
		}
	}
	return env
}
