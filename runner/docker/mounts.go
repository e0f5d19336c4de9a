package docker

import (
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
)

// Mount is something mounted in a container because somebody asked for it.
type Mount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
}

// Mounts lists what -v, --mount and the image's VOLUMEs mount in a container;
// --tmpfs, as with Docker, is in HostConfig.Tmpfs alone. It is nil for a view
// from Glance.
func Mounts(v runner.View) []Mount {
	if v.Spec == nil {
		return nil
	}
	list := []Mount{}
	for _, m := range asked(v) {
		i := slices.IndexFunc(v.Spec.Mounts, func(x specs.Mount) bool { return x.Destination == m.Target })
		if i >= 0 {
			list = append(list, mount(m, v.Spec.Mounts[i]))
		}
	}
	return list
}

// asked are the mounts that a person or the image asked for, but for --tmpfs.
//
// Their words were read without an error when the container was made. Since
// then a source may have gone, which is an error but changes nothing else; and
// relative ones are relative to a folder that nobody remembers. The runtime-spec
// value has the sources as they came to be.
func asked(v runner.View) []spec.Mount {
	list := slices.Clone(v.Options.Inherited)
	for _, word := range v.Options.Volumes {
		m, _ := spec.ParseVolume(word, "/")
		list = append(list, m)
	}
	for _, word := range v.Options.Mounts {
		m, _ := spec.ParseMount(word, "/")
		list = append(list, m)
	}
	facts, _ := spec.FactsOf(v.Spec)
	for _, m := range facts.Volumes {
		same := func(x spec.Mount) bool { return x.Target == m.Target }
		if i := slices.IndexFunc(list, same); i >= 0 {
			list[i] = m
		} else {
			list = append(list, m)
		}
	}
	return list
}

func mount(m spec.Mount, done specs.Mount) Mount {
	out := Mount{Type: string(m.Kind), Source: done.Source, Destination: m.Target, RW: true}
	switch m.Kind {
	case spec.KindVolume:
		out.Name, out.Driver, out.Mode = m.Source, "local", "z"
	case spec.KindTmpfs:
		out.Source = ""
	}
	for _, o := range done.Options {
		switch o {
		case "ro", "rro":
			out.RW, out.Mode = false, "ro"
		case "private", "rprivate", "shared", "rshared", "slave", "rslave":
			out.Propagation = o
		}
	}
	return out
}

// binds are the values of -v, with the sources that they came to be.
func binds(v runner.View) []string {
	var list []string
	for _, word := range v.Options.Volumes {
		m, err := spec.ParseVolume(word, "/")
		parts := strings.SplitN(word, ":", 2)
		if err != nil || len(parts) < 2 {
			continue
		}
		for _, done := range v.Spec.Mounts {
			if m.Kind == spec.KindBind && done.Destination == m.Target {
				parts[0] = done.Source
			}
		}
		list = append(list, strings.Join(parts, ":"))
	}
	return list
}

// tmpfs maps the paths of --tmpfs to their options as typed.
func tmpfs(words []string) map[string]string {
	if len(words) == 0 {
		return nil
	}
	m := make(map[string]string, len(words))
	for _, word := range words {
		target, options, _ := strings.Cut(word, ":")
		m[path.Clean(target)] = options
	}
	return m
}
