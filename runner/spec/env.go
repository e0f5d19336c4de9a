package spec

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// defaultPath is PATH in a container whose image sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// setEnv builds the environment: defaults, then the image's, then --env-file, then -e. A variable
// keeps the place where it first appeared.
func (b *builder) setEnv() error {
	var asked []string
	for _, name := range b.opts.EnvFiles {
		lines, err := b.readEnvFile(name)
		if err != nil {
			return err
		}
		asked = append(asked, lines...)
	}
	for _, e := range b.opts.Env {
		v, err := ParseEnv(e, b.host.LookupEnv)
		if err != nil {
			return err
		}
		asked = append(asked, v)
	}
	env := b.defaultEnv()
	env = mergeEnv(env, b.img.Env)
	env = mergeEnv(env, asked)
	if _, ok := lookup(env, "HOME"); !ok {
		env = append(env, "HOME="+b.user.Home)
	}
	b.spec.Process.Env = env
	return nil
}

func (b *builder) defaultEnv() []string {
	env := []string{"PATH=" + defaultPath, "HOSTNAME=" + b.hostname()}
	if b.opts.TTY {
		env = append(env, "TERM=xterm")
	}
	return append(env, "container=rl")
}

func (b *builder) readEnvFile(name string) ([]string, error) {
	f, err := os.Open(b.abs(name))
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	defer f.Close()
	lines, err := ParseEnvFile(f, b.host.LookupEnv)
	if err != nil {
		return nil, fmt.Errorf("--env-file %s: %w", name, err)
	}
	return lines, nil
}

// abs makes a path of the caller's absolute.
func (b *builder) abs(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(b.host.Dir, name)
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

func lookup(env []string, name string) (string, bool) {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v, true
		}
	}
	return "", false
}
