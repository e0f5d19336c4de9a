// Package fields holds the table of what inspect shows to what it really shows.
//
// docs/inspect.md lists every field that Docker has, and says of each whether rl
// fills it, leaves it empty, or does not show it. It is for people; this package is
// for the tests that keep it true.
package fields

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// What the table says of a field.
const (
	Filled        = "filled"         // some object has a value in it
	Empty         = "empty"          // it is shown, always without a value
	NotApplicable = "not applicable" // it is not shown
)

// Table is one section of the document: fields, such as "State.Pid", and what
// is said of each.
type Table map[string]string

// Read returns the section of the document at path that has the title.
func Read(path, title string) (Table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		return nil, fmt.Errorf("%s has no section %q", path, title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	t := Table{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := strings.Trim(cells[0], " `")
		if !strings.HasPrefix(line, "| `") || len(cells) < 2 {
			continue
		}
		what := strings.TrimSpace(cells[1])
		if what != Filled && what != Empty && what != NotApplicable {
			return nil, fmt.Errorf("%s: %s is said to be %q", path, name, what)
		}
		if t[name] != "" {
			return nil, fmt.Errorf("%s: %s is there twice", path, name)
		}
		t[name] = what
	}
	return t, nil
}

// Compare returns in what the table differs from the JSON of objects, each of
// which may fill other fields.
func (t Table) Compare(objects ...any) ([]string, error) {
	seen := map[string]bool{} // by field, whether it has a value
	for _, object := range objects {
		data, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		var plain map[string]any
		if err := json.Unmarshal(data, &plain); err != nil {
			return nil, err
		}
		t.walk("", plain, seen)
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		switch said := t[name]; {
		case said == "":
			wrong = append(wrong, name+" is not in the table")
		case said == NotApplicable:
			wrong = append(wrong, name+" is shown, though it is said not to be applicable")
		case (said == Filled) != seen[name]:
			wrong = append(wrong, fmt.Sprintf("%s is said to be %s: filled is %v", name, said, seen[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if _, shown := seen[name]; !shown && t[name] != NotApplicable {
			wrong = append(wrong, name+" is not shown")
		}
	}
	return wrong, nil
}

// walk notes the fields of an object. What the table has as a whole, such as
// a map with keys of people's own, is one field.
func (t Table) walk(prefix string, object map[string]any, seen map[string]bool) {
	for name, value := range object {
		inner, isObject := value.(map[string]any)
		if isObject && t[prefix+name] == "" && len(inner) > 0 {
			t.walk(prefix+name+".", inner, seen)
			continue
		}
		seen[prefix+name] = seen[prefix+name] || !void(value)
	}
}

// void reports whether a value says nothing: zero, or made of such only.
func void(value any) bool {
	v := reflect.ValueOf(value)
	switch {
	case !v.IsValid():
		return true
	case v.Kind() == reflect.Slice:
		return !slices.ContainsFunc(value.([]any), func(x any) bool { return !void(x) })
	case v.Kind() == reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}
