package kube

import (
	"fmt"
	"path"
	"slices"
	"strings"

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
			name = g.claim(m.Name)
		case m.Type == "tmpfs":
			name = g.volume("memory"+label(m.Destination), object{{"emptyDir", object{{"medium", "Memory"}}}})
		case g.IsFile(m.Source):
			if name, sub = g.file(v, m.Source); name == "" {
				continue
			}
		default:
			g.note(v, "the folder %s is that of each node, not of this machine", m.Source)
			name = g.volume("host"+label(m.Source), object{{"hostPath", object{{"path", m.Source}}}})
		}
		o := object{{"name", name}, {"mountPath", m.Destination}}
		o.add("subPath", sub)
		o.add("readOnly", !m.RW)
		list = append(list, o)
	}
	for _, flag := range v.Options.Tmpfs {
		target, _, _ := strings.Cut(flag, ":")
		name := g.volume("memory"+label(target), object{{"emptyDir", object{{"medium", "Memory"}}}})
		if !slices.ContainsFunc(list, func(o object) bool { return o[1].value == target }) {
			list = append(list, object{{"name", name}, {"mountPath", target}})
		}
	}
	return list
}

// volume adds a volume to the pod, once.
func (g *generator) volume(name string, source object) string {
	name = label(name)
	if !g.taken[name] {
		g.taken[name] = true
		g.volumes = append(g.volumes, append(object{{"name", name}}, source...))
	}
	return name
}

// claim asks for storage for a volume. Its content stays on this machine.
func (g *generator) claim(volume string) string {
	name := label(volume)
	if !g.taken[name] {
		g.notes = append(g.notes, fmt.Sprintf("volume %s: its content is not copied; the claim is for %s", volume, g.ClaimSize))
		g.claims = append(g.claims, object{{"apiVersion", "v1"}, {"kind", "PersistentVolumeClaim"},
			{"metadata", object{{"name", name}}}, {"spec", object{
				{"accessModes", []string{"ReadWriteOnce"}},
				{"resources", object{{"requests", object{{"storage", g.ClaimSize}}}}},
			}}})
	}
	return g.volume(name, object{{"persistentVolumeClaim", object{{"claimName", name}}}})
}

// file puts a file of this machine into the ConfigMap.
func (g *generator) file(v runner.View, source string) (volume, key string) {
	text, err := g.ReadFile(source)
	if err != nil {
		g.note(v, "the file %s: %v", source, err)
		return "", ""
	}
	key = label(path.Dir(source)) + "-" + path.Base(source)
	if !slices.ContainsFunc(g.files, func(f field) bool { return f.key == key }) {
		g.files = append(g.files, field{key, text})
	}
	return g.volume("files", object{{"configMap", object{{"name", g.Name + "-files"}}}}), key
}
