package kube

import (
	"encoding/json"
	"fmt"
	"strings"
)

// object is a YAML mapping that keeps the order of its keys.
type object []field

type field struct {
	key   string
	value any // string, bool, int, int64, object, []object, []string; nil is left out
}

// add appends a member, unless there is nothing in it.
func (o *object) add(key string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case string:
		if v == "" {
			return
		}
	case bool:
		if !v {
			return
		}
	case int:
		if v == 0 {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case object:
		if len(v) == 0 {
			return
		}
	case []object:
		if len(v) == 0 {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	}
	*o = append(*o, field{key, value})
}

// plain reports whether a string means itself in YAML without quotes.
func plain(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789_.-", r)) {
			return false
		}
	}
	return s != ""
}

// scalar writes one value. What might be taken for something else is quoted as
// in JSON, which YAML understands.
func scalar(v any) string {
	s, isString := v.(string)
	if !isString {
		return fmt.Sprint(v)
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan":
		return `"` + s + `"`
	}
	if plain(s) {
		return s
	}
	text, _ := json.Marshal(s) // strings always can be
	var b strings.Builder
	for _, r := range string(text) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff { // which YAML has not as they are
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// write appends the object, indented, to b. first is what the first line begins
// with instead of its indent.
func (o object) write(b *strings.Builder, indent, first string) {
	for _, f := range o {
		b.WriteString(first + scalar(f.key) + ":")
		first = indent
		switch v := f.value.(type) {
		case object:
			b.WriteString("\n")
			v.write(b, indent+"  ", indent+"  ")
		case []object:
			b.WriteString("\n")
			for _, item := range v {
				item.write(b, indent+"  ", indent+"- ")
			}
		case []string:
			b.WriteString("\n")
			for _, item := range v {
				b.WriteString(indent + "- " + scalar(item) + "\n")
			}
		default:
			b.WriteString(" " + scalar(v) + "\n")
		}
	}
}

// documents writes several objects, one after the other.
func documents(list []object) string {
	var b strings.Builder
	for i, o := range list {
		if i > 0 {
			b.WriteString("---\n")
		}
		o.write(&b, "", "")
	}
	return b.String()
}
