package build

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Target is a stage of a Dockerfile, as an outline of it. As JSON it is what
// BuildKit's clients read.
type Target struct {
	Name        string        `json:"name,omitempty"`
	Default     bool          `json:"default,omitempty"` // it is built unless another is asked for
	Description string        `json:"description,omitempty"`
	Base        string        `json:"base,omitempty"`
	Platform    string        `json:"platform,omitempty"`
	Args        []TargetArg   `json:"args,omitempty"`
	Secrets     []TargetMount `json:"secrets,omitempty"`
	SSH         []TargetMount `json:"ssh,omitempty"`
	Location    *Location     `json:"location,omitempty"`
}

// TargetArg is a build argument.
type TargetArg struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Value       string    `json:"value,omitempty"`
	Location    *Location `json:"location,omitempty"`
}

// TargetMount is a secret or an agent that RUN mounts.
type TargetMount struct {
	ID       string    `json:"name"`
	Required bool      `json:"required,omitempty"`
	Location *Location `json:"location,omitempty"`
}

// Location is where in the Dockerfile something is.
type Location struct {
	Ranges []Range `json:"ranges,omitempty"`
}

// Range are the lines from one place to another.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Position is a place; lines count from 1, and characters from 0.
type Position struct {
	Line      int `json:"line,omitempty"`
	Character int `json:"character,omitempty"`
}

// LocationOf makes a Location of what the parser says.
func LocationOf(where []parser.Range) *Location {
	l := new(Location)
	for _, r := range where {
		l.Ranges = append(l.Ranges, Range{Position(r.Start), Position(r.End)})
	}
	return l
}

// Targets lists the stages of a Dockerfile.
func Targets(o Options) (list []Target, err error) {
	b := &builder{Options: o}
	if err := b.readFile(); err != nil {
		return nil, err
	}
	for i, s := range b.list {
		t := targetOf(s.def)
		t.Default, t.Base, t.Platform = i == len(b.list)-1, s.def.BaseName, s.def.Platform
		list = append(list, t)
	}
	return list, nil
}

func targetOf(def instructions.Stage) Target {
	return Target{Name: def.Name, Description: description(def), Location: LocationOf(def.Location)}
}

// description is the comment above a stage, without its name at the beginning.
func description(def instructions.Stage) string {
	return strings.TrimSpace(strings.TrimPrefix(def.DocComment, def.Name+" "))
}

// OutlineOf tells of the target of o, and of the stages that it needs, what they
// want from the command line.
func OutlineOf(o Options) (t Target, err error) {
	b := &builder{Options: o}
	if err := b.readFile(); err != nil {
		return t, err
	}
	s, err := b.target()
	if err != nil {
		return t, err
	}
	t = targetOf(s.def)
	for _, a := range b.globalArgs {
		t.addArgs(b, a.Args, a.Location())
	}
	seen := map[int]bool{}
	var visit func(s *stage)
	visit = func(s *stage) {
		if s == nil || seen[s.index] {
			return
		}
		seen[s.index] = true
		visit(b.stageNamed(s.def.BaseName, s.index))
		for _, c := range s.def.Commands {
			t.add(b, c)
			for _, name := range fromOf(c) {
				visit(b.stageNamed(name, s.index))
			}
		}
	}
	visit(s)
	return t, nil
}

// fromOf are the stages and images that an instruction copies from or mounts.
func fromOf(c instructions.Command) (names []string) {
	switch c := c.(type) {
	case *instructions.CopyCommand:
		names = append(names, c.From)
	case *instructions.RunCommand:
		for _, m := range mountsAsWritten(c) {
			names = append(names, m.From)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// mountsAsWritten are the mounts of a RUN, without the values of variables.
func mountsAsWritten(c *instructions.RunCommand) []*instructions.Mount {
	if c.Expand(func(word string) (string, error) { return word, nil }) != nil {
		return nil
	}
	return instructions.GetMounts(c)
}

func (t *Target) add(b *builder, c instructions.Command) {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		t.addArgs(b, c.Args, c.Location())
	case *instructions.RunCommand:
		for _, m := range mountsAsWritten(c) {
			switch m.Type {
			case instructions.MountTypeSecret:
				t.Secrets = addMount(t.Secrets, m, c.Location())
			case instructions.MountTypeSSH:
				t.SSH = addMount(t.SSH, m, c.Location())
			}
		}
	}
}

func addMount(list []TargetMount, m *instructions.Mount, where []parser.Range) []TargetMount {
	id := m.CacheID
	if id == "" && m.Type == instructions.MountTypeSSH {
		id = "default"
	}
	if id == "" {
		id = path.Base(fmt.Sprint(m.Source + m.Target))
	}
	for i := range list {
		if list[i].ID == id {
			list[i].Required = list[i].Required || m.Required
			return list
		}
	}
	return append(list, TargetMount{id, m.Required, LocationOf(where)})
}

func (t *Target) addArgs(b *builder, args []instructions.KeyValuePairOptional, where []parser.Range) {
	for _, a := range args {
		value, given := b.Args[a.Key]
		if !given {
			value = a.ValueString()
		}
		at := slices.IndexFunc(t.Args, func(known TargetArg) bool { return known.Name == a.Key })
		if at < 0 {
			t.Args = append(t.Args, TargetArg{a.Key, a.DocComment, value, LocationOf(where)})
		} else if t.Args[at].Value == "" {
			t.Args[at].Value = value
		}
	}
}
