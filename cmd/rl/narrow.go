package main

import (
	"reflect"
	"slices"
	"strings"
)

// quickParse fills flags from words as parse does, but without describing to
// kong the flags that words do not mention: for the ninety flags of `run` that
// takes longer than the program needs to start. It reports false, with flags as
// they were, for a line that is wrong or asks for help.
func quickParse(cmd command, flags any, words []string) bool {
	few, copyBack := narrow(flags, words)
	parser, err := newParser(cmd, few)
	if err != nil || wantsHelp(parser, words) {
		return false
	}
	words = dockerWords(parser, words)
	if readLine(parser, words).awaits != nil {
		return false
	}
	if _, err := parser.Parse(words); err != nil {
		return false
	}
	copyBack()
	return true
}

// narrow returns a value that has those fields of flags that words may set, or
// that are set without them, and what copies their values back.
func narrow(flags any, words []string) (few any, copyBack func()) {
	var fields []reflect.StructField
	all := reflect.ValueOf(flags).Elem()
	for _, field := range reflect.VisibleFields(all.Type()) {
		if field.Anonymous || !mentioned(field, words) {
			continue
		}
		fields = append(fields, reflect.StructField{Name: field.Name, Type: field.Type, Tag: field.Tag})
	}
	value := reflect.New(reflect.StructOf(fields))
	return value.Interface(), func() {
		for i, field := range fields {
			all.FieldByName(field.Name).Set(value.Elem().Field(i))
		}
	}
}

// mentioned reports whether a field may be meant by one of words: rather once
// too often, since words may be values, too.
func mentioned(field reflect.StructField, words []string) bool {
	for _, always := range []string{"arg", "default"} {
		if _, ok := field.Tag.Lookup(always); ok {
			return true
		}
	}
	name := field.Tag.Get("name")
	if name == "" {
		name = field.Name
	}
	long := []string{plain(name)}
	for alias := range strings.SplitSeq(field.Tag.Get("aliases"), ",") {
		long = append(long, plain(alias))
	}
	short := field.Tag.Get("short")
	return slices.ContainsFunc(words, func(word string) bool {
		if rest, ok := strings.CutPrefix(word, "--"); ok {
			rest, _, _ = strings.Cut(rest, "=")
			typed := plain(rest)
			return slices.Contains(long, typed) || slices.Contains(long, strings.TrimPrefix(typed, "no"))
		}
		return short != "" && strings.HasPrefix(word, "-") && strings.Contains(word, short)
	})
}

// plain is a flag's name without what tells it from a field's.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }
