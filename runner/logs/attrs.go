package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/rl-project/rl/internal/format"
)

// Select says what of a container is added to each entry.
type Select struct {
	// Tag is a template over About, "" for none.
	Tag string `json:",omitempty"`
	// Labels and Env are names; LabelsRegex and EnvRegex match further ones.
	Labels, Env           []string `json:",omitempty"`
	LabelsRegex, EnvRegex string   `json:",omitempty"`
}

// About is what Select chooses from. Its methods are what a tag may name.
type About struct {
	Container, Called, Image, Digest, Executes string
	Labels                                     map[string]string
	Environment                                []string // NAME=VALUE
}

// short is the beginning of an id.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// ID is the beginning of the container's id.
func (a About) ID() string { return short(a.Container) }

// FullID is the container's id.
func (a About) FullID() string { return a.Container }

// Name is the container's name.
func (a About) Name() string { return a.Called }

// FullName is the container's name as Docker's interface has it.
func (a About) FullName() string { return "/" + a.Called }

// ImageName is the image as it was named.
func (a About) ImageName() string { return a.Image }

// ImageID is the beginning of the image's id.
func (a About) ImageID() string { return short(a.Digest) }

// ImageFullID is the image's id.
func (a About) ImageFullID() string { return a.Digest }

// Command is the command line.
func (a About) Command() string { return a.Executes }

// DaemonName is the program that keeps the log.
func (a About) DaemonName() string { return "rl" }

// set takes an option; known is whether it is one of these.
func (s *Select) set(key, value string) (known bool, err error) {
	switch key {
	case "tag":
		s.Tag = value
		_, err = s.TagOf(About{})
	case "labels":
		s.Labels = strings.Split(value, ",")
	case "env":
		s.Env = strings.Split(value, ",")
	case "labels-regex":
		s.LabelsRegex = value
		_, err = regexp.Compile(value)
	case "env-regex":
		s.EnvRegex = value
		_, err = regexp.Compile(value)
	default:
		return false, nil
	}
	return true, err
}

// TagOf is the tag of a container.
func (s Select) TagOf(a About) (string, error) {
	if s.Tag == "" {
		return "", nil
	}
	t, err := format.Parse(s.Tag)
	if err != nil {
		return "", fmt.Errorf("%s is not a template: %w", s.Tag, err)
	}
	var text strings.Builder
	if err := t.Execute(&text, a); err != nil {
		return "", errors.New("a tag has ID, FullID, Name, ImageName, ImageID, ImageFullID, Command and DaemonName")
	}
	return text.String(), nil
}

// Of are the chosen labels and variables of a container.
func (s Select) Of(a About) (map[string]string, error) {
	chosen := map[string]string{}
	if len(s.Labels)+len(s.Env)+len(s.LabelsRegex)+len(s.EnvRegex) == 0 {
		return chosen, nil
	}
	variables := map[string]string{}
	for _, pair := range a.Environment {
		name, value, _ := strings.Cut(pair, "=")
		variables[name] = value
	}
	err := choose(chosen, a.Labels, s.Labels, s.LabelsRegex)
	if err == nil {
		err = choose(chosen, variables, s.Env, s.EnvRegex)
	}
	return chosen, err
}

// choose copies what is named and what matches, if there is an expression.
func choose(dst, from map[string]string, names []string, expression string) error {
	for _, name := range names {
		if value, ok := from[name]; ok {
			dst[name] = value
		}
	}
	if expression == "" {
		return nil
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	matching := maps.Clone(from)
	maps.DeleteFunc(matching, func(name, _ string) bool { return !re.MatchString(name) })
	maps.Copy(dst, matching)
	return nil
}

// journalName is a name as journald has them.
func journalName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// maxAttrs bounds the attributes of an entry, in bytes: readers pass over
// entries that are far too long to be real.
const maxAttrs = 64 << 10

// encodeAttrs is what stands in an entry for attributes.
func encodeAttrs(attrs map[string]string) ([]byte, error) {
	if len(attrs) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(attrs)
	if len(text) > maxAttrs {
		return nil, fmt.Errorf("%w: the labels and variables for each line take more than %d bytes: choose fewer", ErrOption, maxAttrs)
	}
	return append([]byte(`,"attrs":`), text...), err
}

// journalFields are those of each message: attributes never replace what the
// caller says itself.
func (o Options) journalFields() map[string]string {
	fields := make(map[string]string, len(o.Fields)+len(o.Attrs))
	for name, value := range o.Attrs {
		if name = strings.TrimLeft(journalName(name), "_"); name != "" { // those with _ are journald's own
			fields[name] = value
		}
	}
	maps.Copy(fields, o.Fields)
	return fields
}
