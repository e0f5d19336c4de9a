package docker

import (
	"slices"
	"strings"

	"github.com/rl-project/rl/runner"
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
	StopSignal   string `json:",omitempty"`
	StopTimeout  *int   `json:",omitempty"`
}

func newConfig(v runner.View) Config {
	c := Config{
		Hostname:     v.Spec.Hostname,
		Domainname:   v.Spec.Domainname,
		User:         v.Config.User,
		ExposedPorts: map[string]struct{}{},
		Tty:          v.Spec.Process.Terminal,
		OpenStdin:    v.OpenStdin,
		Env:          environment(v),
		Cmd:          v.Config.Cmd,
		Image:        v.Image,
		Volumes:      v.Config.Volumes,
		WorkingDir:   v.Config.WorkingDir,
		Entrypoint:   v.Config.Entrypoint,
		Labels:       orEmpty(v.Config.Labels),
		StopSignal:   v.Options.StopSignal,
		StopTimeout:  v.Options.StopTimeout,
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

// environment leaves out the variables that every container is given, unless
// the image or the person set them.
func environment(v runner.View) []string {
	given := []string{"HOSTNAME", "HOME", "TERM", "container"}
	asked := slices.Concat(v.RootFS.Config.Env, v.Options.Env)
	env := []string{}
	for _, e := range v.Config.Env {
		name, _, _ := strings.Cut(e, "=")
		named := func(s string) bool { return s == name || strings.HasPrefix(s, name+"=") }
		if !slices.Contains(given, name) || slices.ContainsFunc(asked, named) {
			env = append(env, e)
		}
	}
	return env
}
