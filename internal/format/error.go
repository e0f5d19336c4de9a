package format

import (
	"reflect"
	"slices"
	"strings"
)

// Error is that of a template that does not fit what it is for.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// most is how many names are listed to choose from.
const most = 30

// Explain says in plain words why a template could not be executed with value.
// Go's own words name types, which mean nothing to who wrote the template.
func Explain(err error, value any) error {
	text := strings.TrimPrefix(err.Error(), "template: :")
	_, rest, found := strings.Cut(text, "can't evaluate field ")
	if !found {
		return &Error{"template: " + text}
	}
	field, _, _ := strings.Cut(rest, " in type ")
	_, place, _ := strings.Cut(text, "at <")
	place, _, _ = strings.Cut(place, ">: ")
	said := "template: there is no " + place
	if place != "."+field && !strings.HasSuffix(place, "."+field) {
		said = "template: there is no ." + field + " in " + place
	}
	if names := names(value); strings.HasPrefix(place, "."+field) && len(names) > 0 && len(names) <= most {
		said += "; there are ." + strings.Join(names, " .")
	}
	return &Error{said}
}

// names are those that a template can use of value, in the order of the
// alphabet.
func names(value any) []string {
	t := reflect.TypeOf(value)
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			names = append(names, f.Name)
		}
	}
	for m := range t.Methods() {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}
