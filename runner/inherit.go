package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rl-project/rl/runner/spec"
)

// inherit puts into o the mounts of the containers that o.VolumesFrom names.
func (s Store) inherit(o *spec.Options) error {
	o.Inherited = nil
	for _, word := range o.VolumesFrom {
		name, mode, _ := strings.Cut(word, ":")
		if !slices.Contains([]string{"", "ro", "rw", "z", "Z"}, mode) || name == "" {
			return fmt.Errorf("--volumes-from %q: write CONTAINER, CONTAINER:ro or CONTAINER:rw", word)
		}
		v, err := s.Find(name)
		if err != nil {
			return fmt.Errorf("--volumes-from: %w", err)
		}
		mounts, err := lendable(v.Container)
		if err != nil {
			return err
		}
		for _, m := range mounts {
			m.ReadOnly = m.ReadOnly || mode == "ro"
			o.Inherited = slices.DeleteFunc(o.Inherited, func(x spec.Mount) bool { return x.Target == m.Target })
			o.Inherited = append(o.Inherited, m)
		}
	}
	return nil
}

// lendable are the volumes and bind mounts of a container, as they came to be.
func lendable(c Container) ([]spec.Mount, error) {
	facts, err := spec.FactsOf(c.Spec)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(facts.Volumes)
	asked, err := spec.ParseMounts(c.Options, "/")
	if err != nil {
		return nil, err
	}
	for _, m := range asked {
		if m.Kind != spec.KindBind {
			continue
		}
		for _, done := range c.Spec.Mounts {
			if done.Destination == m.Target {
				m.Source = done.Source
			}
		}
		list = append(list, m)
	}
	return list, nil
}
