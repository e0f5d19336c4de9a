package systemd

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// ErrQuadlet is wrapped by what is wrong with a Quadlet file.
var ErrQuadlet = errors.New("quadlet")

// file is a parsed Quadlet file.
type file struct {
	name  string // "web.container"
	lines []line
}

// line is one KEY=VALUE.
type line struct {
	number              int
	section, key, value string
}

// IsQuadlet reports whether a file of this name is a Quadlet file.
func IsQuadlet(name string) bool {
	_, ok := kindOf(name)
	return ok
}

// kind is what belongs to one ending of file names.
type kind struct {
	section string // its own
	suffix  string // of the service's name
	make    func(*translation) error
	keys    map[string]translate
}

// kindOf returns what belongs to the ending of a file's name. It is made when
// it is asked for: every start of rl would pay for a table.
func kindOf(name string) (kind, bool) {
	switch path.Ext(name) {
	case ".container":
		return kind{"Container", "", (*translation).container, containerKeys()}, true
	case ".volume":
		return kind{"Volume", "-volume", (*translation).volume, volumeKeys()}, true
	case ".network":
		return kind{"Network", "-network", (*translation).network, networkKeys()}, true
	case ".image":
		return kind{"Image", "-image", (*translation).image, imageKeys()}, true
	case ".build":
		return kind{"Build", "-build", (*translation).build, buildKeys()}, true
	}
	return kind{}, false
}

// parse reads the lines of an INI file as systemd does: continued by a
// backslash, comments by # and ;.
func parse(name, text string) (*file, error) {
	f := &file{name: name}
	section, begun, number := "", "", 0
	for i, raw := range strings.Split(text, "\n") {
		l := strings.TrimSpace(raw)
		if begun == "" {
			number = i + 1
		}
		if l == "" && begun == "" || strings.HasPrefix(l, "#") || strings.HasPrefix(l, ";") {
			continue
		}
		if rest, more := strings.CutSuffix(l, `\`); more {
			begun += strings.TrimRight(rest, " \t") + " "
			continue
		}
		l, begun = begun+l, ""
		if strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]") {
			section = l[1 : len(l)-1]
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if !ok || section == "" {
			return nil, fmt.Errorf("%w: %s line %d: %q is neither [Section] nor Key=Value", ErrQuadlet, name, number, l)
		}
		f.lines = append(f.lines, line{number, section, strings.TrimSpace(key), strings.TrimSpace(value)})
	}
	if begun != "" {
		return nil, fmt.Errorf("%w: %s line %d: the last line is continued by a backslash", ErrQuadlet, name, number)
	}
	return f, nil
}

// last returns the last value of a key of the file's own section.
func (f *file) last(key string) string {
	value := ""
	k, _ := kindOf(f.name)
	for _, l := range f.lines {
		if l.key == key && l.section == k.section {
			value = l.value
		}
	}
	return value
}

// emptied reports whether a line says nothing: it is, or one after it is, the
// assignment of nothing that takes back what was said before.
func (f *file) emptied(i int) bool {
	l := f.lines[i]
	return slices.ContainsFunc(f.lines[i:], func(later line) bool {
		return later.section == l.section && later.key == l.key && later.value == ""
	})
}

// Options say how Quadlet files are read.
type Options struct {
	Program string // absolute path of rl
	// Dir is the folder of the file, absolute: relative paths in it start there.
	Dir string
	// Read returns the content of another Quadlet file that one refers to.
	Read func(name string) (string, error)
	// Check fails for flags that rl run does not take; nil for no check.
	Check func(flags []string) error
}

// FromQuadlet returns the unit for a Quadlet file called name, and the names
// of other Quadlet files that it needs. A key that is not known, or whose
// meaning cannot be had here, is an error with its line.
func FromQuadlet(name, text string, o Options) (u *Unit, needs []string, err error) {
	k, ok := kindOf(name)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s: the name ends in none of .container, .volume, .network, .image and .build", ErrQuadlet, name)
	}
	f, err := parse(name, text)
	if err != nil {
		return nil, nil, err
	}
	t := &translation{file: f, o: o, unit: &Unit{Name: serviceOf(name)}, stop: defaultStop}
	if err := t.copySections(k.section); err != nil {
		return nil, nil, err
	}
	for i, l := range f.lines {
		if l.section != k.section {
			continue
		}
		do, known := k.keys[l.key]
		if !known {
			return nil, nil, fmt.Errorf("%w: %s line %d: unknown key %s in [%s]", ErrQuadlet, name, l.number, l.key, l.section)
		}
		if f.emptied(i) {
			continue
		}
		if err := t.take(do, l.value); err != nil {
			return nil, nil, fmt.Errorf("%w: %s line %d: %s: %w", ErrQuadlet, name, l.number, l.key, err)
		}
	}
	if err := k.make(t); err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrQuadlet, name, err)
	}
	return t.unit, t.needs, nil
}

// serviceOf is the name of the service made from a Quadlet file: web.service of
// web.container, data-volume.service of data.volume.
func serviceOf(name string) string {
	ext := path.Ext(name)
	base, instance, template := strings.Cut(strings.TrimSuffix(name, ext), "@")
	k, _ := kindOf(name)
	base += k.suffix
	if template {
		base += "@" + instance
	}
	return base + ".service"
}

// service is the name of the service made from the file.
func (f *file) service() string {
	if name := f.last("ServiceName"); name != "" {
		return name + ".service"
	}
	return serviceOf(f.name)
}

// copySections takes over what is systemd's own.
func (t *translation) copySections(own string) error {
	for _, l := range t.file.lines {
		switch l.section {
		case own:
		case "Unit":
			value, err := t.dependencies(l.key, l.value)
			if err != nil {
				return fmt.Errorf("%w: %s line %d: %s: %w", ErrQuadlet, t.file.name, l.number, l.key, err)
			}
			t.unit.Add(l.section, l.key, value)
		case "Service", "Install":
			t.unit.Add(l.section, l.key, l.value)
		case "Quadlet":
			if l.key != "DefaultDependencies" {
				return fmt.Errorf("%w: %s line %d: unknown key %s in [Quadlet]", ErrQuadlet, t.file.name, l.number, l.key)
			}
		default:
			return fmt.Errorf("%w: %s line %d: unknown section [%s]", ErrQuadlet, t.file.name, l.number, l.section)
		}
	}
	return nil
}

// dependencies replaces, in keys of [Unit] that list units, names of Quadlet
// files by those of their services.
func (t *translation) dependencies(key, value string) (string, error) {
	if !slices.Contains(strings.Fields(listKeys), key) {
		return value, nil
	}
	list := strings.Fields(value)
	for i, name := range list {
		if !IsQuadlet(name) {
			continue
		}
		f, err := t.other(name)
		if err != nil {
			return "", err
		}
		list[i] = f.service()
		if key != "Before" && key != "Conflicts" {
			t.needFile(name)
		}
	}
	return strings.Join(list, " "), nil
}

const listKeys = "Wants Requires Requisite BindsTo PartOf Upholds Conflicts Before After OnFailure OnSuccess"

// other reads another Quadlet file.
func (t *translation) other(name string) (*file, error) {
	if t.o.Read == nil {
		return nil, fmt.Errorf("%s cannot be looked up", name)
	}
	text, err := t.o.Read(templateOf(name))
	if err != nil {
		return nil, fmt.Errorf("it needs the file %s: %w", templateOf(name), err)
	}
	return parse(name, text)
}

// templateOf is the file that describes an instance: job@.container for
// job@one.container. Others are described by their own.
func templateOf(name string) string {
	if before, _, ok := strings.Cut(name, "@"); ok {
		return before + "@" + path.Ext(name)
	}
	return name
}

func (t *translation) needFile(name string) {
	if name = templateOf(name); !slices.Contains(t.needs, name) {
		t.needs = append(t.needs, name)
	}
}

// Order sorts Quadlet files so that each comes after those it needs, and fails
// when they need each other in a circle.
func Order(needs map[string][]string) ([]string, error) {
	var order []string
	state := map[string]int{} // 1 while visiting, 2 when done
	var visit func(name string, from []string) error
	visit = func(name string, from []string) error {
		switch state[name] {
		case 1:
			return fmt.Errorf("%w: these need each other in a circle: %s", ErrQuadlet, strings.Join(append(from, name), " -> "))
		case 2:
			return nil
		}
		state[name] = 1
		for _, other := range needs[name] {
			if err := visit(other, append(from, name)); err != nil {
				return err
			}
		}
		state[name] = 2
		order = append(order, name)
		return nil
	}
	names := make([]string, 0, len(needs))
	for name := range needs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := visit(name, nil); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// words splits a value at blanks outside of quotes.
func words(value string) ([]string, error) {
	var list []string
	var word strings.Builder
	quote, begun := rune(0), false
	escaped := false
	for _, r := range value {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			if begun {
				list = append(list, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if begun {
		list = append(list, word.String())
	}
	return list, nil
}

// seconds reads a time as systemd and Podman have them: 30, 30s, 1m30s.
func seconds(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		d, err = time.ParseDuration(value + "s")
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", value)
	}
	return d, nil
}
