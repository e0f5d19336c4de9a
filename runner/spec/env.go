package spec

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultPath is PATH in a container whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// setEnv builds the environment: defaults, then the image's, then --env-file, then -e. A variable
// keeps the place where it first appeared.
func (b *builder) setEnv() error {
	asked, err := b.host.askedEnv(b.opts.EnvFiles, b.opts.Env)
	if err != nil {
		return err
	}
	env := mergeEnv(b.defaultEnv(), b.img.Env)
	env = mergeEnv(env, asked)
	if b.opts.Injection != nil {
		env = mergeEnv(env, b.opts.Injection.Env)
	}
	if !hasEnv(env, "HOME") {
		env = append(env, "HOME="+b.user.Home)
		b.facts.HomeFromUser = true
	}
	b.spec.Process.Env = env
	return nil
}

// askedEnv is what --env-file and -e say together.
func (h Host) askedEnv(files, words []string) ([]string, error) {
	var asked []string
	for _, name := range files {
		lines, err := h.readEnvFile(name)
		if err != nil {
			return nil, err
		}
		asked = append(asked, lines...)
	}
	for _, word := range words {
		v, err := ParseEnv(word, h.LookupEnv)
		if err != nil {
			return nil, err
		}
		asked = append(asked, v)
	}
	return asked, nil
}

func (b *builder) defaultEnv() []string {
	env := []string{"PATH=" + DefaultPath, "HOSTNAME=" + b.hostname()}
	if b.opts.TTY {
		env = append(env, "TERM=xterm")
	}
	return append(env, "container=rl")
}

func (h Host) readEnvFile(name string) ([]string, error) {
	text, err := h.readFile(name)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	lines, err := ParseEnvFile(bytes.NewReader(text), h.LookupEnv)
	if err != nil {
		return nil, fmt.Errorf("--env-file %s: %w", name, err)
	}
	return lines, nil
}

// abs makes a path of the caller's absolute.
func (h Host) abs(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(h.Dir, name)
}

// ParseEnv reads the value of -e. K=V stays; K alone takes the value from lookup, and stays "K" when there is
// none there, which removes the image's variable of that name.
func ParseEnv(s string, lookup func(string) (string, bool)) (string, error) {
	name, _, hasValue := strings.Cut(s, "=")
	if name == "" {
		return "", fmt.Errorf("invalid environment variable %q: write NAME=VALUE, or NAME for the value it has here", s)
	}
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("invalid environment variable %q: it contains a zero byte", name)
	}
	if hasValue || lookup == nil {
		return s, nil
	}
	if v, ok := lookup(name); ok {
		return name + "=" + v, nil
	}
	return name, nil
}

// ParseEnvFile reads Docker's format of --env-file: one NAME=VALUE or NAME each line, # begins a comment line,
// values are taken as they are, quotes and trailing spaces included. NAME alone is left out when lookup
// does not know it.
func ParseEnvFile(r io.Reader, lookup func(string) (string, bool)) ([]string, error) {
	var env []string
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		line := scan.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		v, err := envLine(line, lookup)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if v != "" {
			env = append(env, v)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, err
	}
	return env, nil
}

// envLine gives "" for a line that sets nothing.
func envLine(line []byte, lookup func(string) (string, bool)) (string, error) {
	if !utf8.Valid(line) {
		return "", fmt.Errorf("invalid UTF-8 bytes")
	}
	text := strings.TrimLeftFunc(string(line), unicode.IsSpace)
	if text == "" || text[0] == '#' {
		return "", nil
	}
	name, _, hasValue := strings.Cut(text, "=")
	if strings.ContainsFunc(name, unicode.IsSpace) {
		return "", fmt.Errorf("variable %q contains whitespace", name)
	}
	v, err := ParseEnv(text, lookup)
	if err == nil && !hasValue && v == name {
		return "", nil
	}
	return v, err
}

// mergeEnv overlays env with more; an entry of more without "=" removes the variable.
func mergeEnv(env, more []string) []string {
	at := make(map[string]int, len(env)+len(more))
	out := make([]string, 0, len(env)+len(more))
	put := func(e string) {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			return
		}
		at[name] = len(out)
		out = append(out, e)
	}
	for _, e := range env {
		put(e)
	}
	for _, e := range more {
		put(e)
	}
	kept := out[:0]
	for _, e := range out {
		if strings.Contains(e, "=") {
			kept = append(kept, e)
		}
	}
	return kept
}

func hasEnv(env []string, name string) bool {
	return slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
}
