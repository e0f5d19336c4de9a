package kube

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/docker"
)

// mounts describes the container's mounts, and the volumes of the pod that they
// show.
func (g *generator) mounts(v runner.View) []object {
	var list []object
	for _, m := range docker.Mounts(v) {
		var name, sub string
		switch {
		case m.Driver != "":
			name, sub = g.claim(m.Name), subpath(v, m.Destination)
		case m.Type == "tmpfs":
			name = g.memory(v, m.Destination)
		case g.IsFile(m.Source):
			if name, sub = g.file(v, m); name == "" {
				continue
			}
		default:
			g.note(v, "the folder %s is that of each node, not of this machine", m.Source)
			name = g.volume("host "+m.Source, "host"+label(m.Source), object{{"hostPath", object{{"path", m.Source}}}})
		}
		o := object{{"name", name}, {"mountPath", m.Destination}}
		o.add("subPath", sub)
		o.add("readOnly", !m.RW)
		list = append(list, o)
	}
	for _, flag := range v.Options.Tmpfs {
		target, _, _ := strings.Cut(flag, ":")
		if !slices.ContainsFunc(list, func(o object) bool { return o[1].value == target }) {
			list = append(list, object{{"name", g.memory(v, target)}, {"mountPath", target}})
		}
	}
	return list
}

// subpath is the folder in a volume that is mounted, "" for all of it.
func subpath(v runner.View, target string) string {
	for _, m := range factsOf(v).Volumes {
		if m.Target == target {
			return m.Subpath
		}
	}
	return ""
}

// memory is a folder in memory, each container's own.
func (g *generator) memory(v runner.View, target string) string {
	folder := object{{"medium", "Memory"}}
	i := slices.IndexFunc(v.Spec.Mounts, func(m specs.Mount) bool { return m.Destination == target })
	if i >= 0 {
		folder = append(folder, g.memoryOptions(v, v.Spec.Mounts[i])...)
	}
	return g.volume("memory "+v.ID+target, "memory"+label(target), object{{"emptyDir", folder}})
}

func (g *generator) memoryOptions(v runner.View, m specs.Mount) (o object) {
	for _, word := range m.Options {
		key, value, valued := strings.Cut(word, "=")
		if key == "size" && !strings.HasSuffix(value, "%") {
			o.add("sizeLimit", value)
		} else if valued {
			g.note(v, "%s of the memory at %s", word, m.Destination)
		}
	}
	return o
}

// volume adds a volume to the pod for something of ours, once, and returns its name.
func (g *generator) volume(thing, wish string, source object) string {
	name, isNew := g.storage.give(thing, label(wish))
	if isNew {
		g.volumes = append(g.volumes, append(object{{"name", name}}, source...))
	}
	return name
}

// claim asks for storage for a volume. Its content stays on this machine.
func (g *generator) claim(volume string) string {
	name, isNew := g.storage.give("volume "+volume, label(volume))
	if !isNew {
		return name
	}
	g.notes = append(g.notes, fmt.Sprintf("volume %s: its content is not copied; the claim is for %s", volume, g.ClaimSize))
	g.claims = append(g.claims, object{{"apiVersion", "v1"}, {"kind", "PersistentVolumeClaim"},
		{"metadata", object{{"name", name}}}, {"spec", object{
			{"accessModes", []string{"ReadWriteOnce"}},
			{"resources", object{{"requests", object{{"storage", g.ClaimSize}}}}},
		}}})
	g.volumes = append(g.volumes, object{{"name", name}, {"persistentVolumeClaim", object{{"claimName", name}}}})
	return name
}

// maxConfigMap is how many bytes of files a ConfigMap holds: a MiB, less than what
// is around them.
const maxConfigMap = 1000 << 10

// file puts a file of this machine into the ConfigMap.
func (g *generator) file(v runner.View, m docker.Mount) (volume, key string) {
	volume, _ = g.storage.give("files", "files")
	key, isNew := g.keys.give(m.Source, fileKey(m.Source))
	if m.RW {
		g.note(v, "the file %s cannot be written to there", m.Source)
	}
	if !isNew {
		return volume, key
	}
	text, executable, err := g.ReadFile(m.Source)
	if err == nil && g.filled+len(text) > maxConfigMap {
		err = errors.New("a ConfigMap does not hold it together with the others")
	}
	if err != nil {
		delete(g.keys.given, m.Source)
		g.note(v, "the file %s: %v", m.Source, err)
		return "", ""
	}
	g.filled, g.program = g.filled+len(text), g.program || executable
	g.files = append(g.files, field{key, text})
	return volume, key
}

// addFiles adds the volume that shows the ConfigMap.
func (g *generator) addFiles() {
	if len(g.files) == 0 {
		return
	}
	name, _ := g.storage.give("files", "files")
	source := object{{"name", g.Name + "-files"}}
	if g.program {
		source.add("defaultMode", 0o755)
	}
	g.volumes = append(g.volumes, object{{"name", name}, {"configMap", source}})
}
