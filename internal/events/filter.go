package events

import (
	"fmt"
	"slices"
	"strings"
)

// FilterNames are the filters that there are.
func FilterNames() []string {
	return []string{"container", "event", "image", "label", "network", "scope", "type", "volume"}
}

// ParseFilters reads filters such as "type=container", and returns what chooses
// events by them: of several with one name any is enough, except that all
// labels are needed.
func ParseFilters(words []string) (func(Event) bool, error) {
	asked := make(map[string][]string)
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(FilterNames(), name) {
			return nil, fmt.Errorf("unknown filter %q: there are %s", name, strings.Join(FilterNames(), ", "))
		}
		if !found || value == "" {
			return nil, fmt.Errorf("filter %q is not like %s=VALUE", word, name)
		}
		asked[name] = append(asked[name], value)
	}
	return func(e Event) bool {
		for name, values := range asked {
			fits := func(value string) bool { return matches(e, name, value) }
			misses := func(value string) bool { return !fits(value) }
			if name == "label" && slices.ContainsFunc(values, misses) || !slices.ContainsFunc(values, fits) {
				return false
			}
		}
		return true
	}, nil
}

func matches(e Event, name, value string) bool {
	switch name {
	case "type":
		return string(e.Type) == value
	case "scope":
		return e.Scope == value
	case "event":
		// What follows a colon is the command, or how healthy it is.
		action, _, _ := strings.Cut(e.Action, ":")
		return e.Action == value || action == value
	case "label":
		key, want, valued := strings.Cut(value, "=")
		have, ok := e.Actor.Attributes[key]
		return ok && (!valued || have == want)
	case "image":
		return isImage(e, value)
	}
	return string(e.Type) == name && begins(e, value)
}

// begins reports whether the object's id or name begins as given, as with Docker.
func begins(e Event, value string) bool {
	return strings.HasPrefix(e.Actor.ID, value) || strings.HasPrefix(e.Actor.Attributes["name"], value)
}

// isImage compares with the image of a container, too, with or without a tag.
func isImage(e Event, value string) bool {
	attribute := map[Type]string{Image: "name", Container: "image"}[e.Type]
	if attribute == "" {
		return false
	}
	name := e.Actor.Attributes[attribute]
	return e.Type == Image && (e.Actor.ID == value || untagged(e.Actor.ID) == value) ||
		name == value || untagged(name) == value
}

// untagged is a name of an image without the tag.
func untagged(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}
