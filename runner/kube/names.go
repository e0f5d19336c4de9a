package kube

import (
	"strconv"
	"strings"
)

const (
	maxName = 63  // bytes of most names in Kubernetes
	maxKey  = 200 // of a file's, which may have 253
)

// names gives things names that Kubernetes accepts. Two of ours may differ only in
// what is not allowed there: each gets one that no other has.
type names struct {
	given map[string]string // to things of ours
	taken map[string]bool
}

func newNames() names { return names{map[string]string{}, map[string]bool{}} }

// give returns the name of a thing, which is wish if no other has that, and whether
// the thing is new.
func (n names) give(thing, wish string) (name string, isNew bool) {
	if name, known := n.given[thing]; known {
		return name, false
	}
	name = wish
	for i := 2; n.taken[name]; i++ {
		end := "-" + strconv.Itoa(i)
		name = wish[:min(len(wish), maxName-len(end))] + end
	}
	n.given[thing], n.taken[name] = name, true
	return name, true
}

// label makes a name of lower case letters, digits and dashes.
func label(name string) string {
	s := only(strings.ToLower(name), "-")
	return strings.Trim(s[:min(len(s), maxName)], "-")
}

// fileKey makes a key of a ConfigMap from a path. It keeps the end, which says most.
func fileKey(path string) string {
	s := only(path, "-._ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return strings.TrimLeft(s[max(0, len(s)-maxKey):], "-.")
}

// only replaces all but lower case letters, digits and those allowed by dashes.
func only(s, allowed string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(allowed, r) {
			return r
		}
		return '-'
	}, s)
}

// serviceName is a name that begins with a letter, as those of Services do.
func serviceName(name string) string {
	if name[0] >= '0' && name[0] <= '9' {
		return label("svc-" + name)
	}
	return name
}

// literal keeps Kubernetes from replacing $(NAME), and $$ by $, in a command or a
// variable's value.
func literal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '$' && i+1 < len(s) && (s[i+1] == '$' || s[i+1] == '(') {
			b.WriteByte('$')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func literals(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, literal(s))
	}
	return out
}
