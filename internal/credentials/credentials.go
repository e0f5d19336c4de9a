// Package credentials keeps the user names and passwords of registries where
// Docker and Podman look for them: in their configuration files, and in the
// programs (docker-credential-NAME) that those files may name.
//
// It is used in the caller's own namespaces: such a program may talk to a
// keyring that knows the person by user id, and root's files are closed to the
// user namespace's root.
package credentials

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Login is what a registry knows a person by. With an identity token it is the
// Token, and User and Password are empty.
type Login struct{ User, Password, Token string }

// ErrNotLoggedIn is returned by Erase when there is nothing to remove.
var ErrNotLoggedIn = errors.New("not logged in")

// hub is the name under which Docker keeps the login of Docker Hub.
const hub = "https://index.docker.io/v1/"

// entryKey returns the name under which credentials of a registry are kept.
func entryKey(registry string) string {
	if registry == "docker.io" {
		return hub
	}
	return registry
}

// host returns the registry that a key means: keys may be written as URLs, and
// may name a repository in a registry.
func host(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	key, _, _ = strings.Cut(key, "/")
	switch key {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return key
}

// filePath returns the file that Save writes: the one of $REGISTRY_AUTH_FILE, or
// else Docker's, which Podman reads too.
func filePath() (string, error) {
	if file := os.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		return file, nil
	}
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for credentials: %w", err)
	}
	return filepath.Join(home, ".docker", "config.json"), nil
}

// paths returns the files that are read, the ones that count first.
// $REGISTRY_AUTH_FILE stands for all of them.
func paths() []string {
	own, err := filePath()
	if err != nil || os.Getenv("REGISTRY_AUTH_FILE") != "" {
		return []string{own}
	}
	var files []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	} else if os.Geteuid() == 0 {
		files = append(files, "/run/containers/0/auth.json")
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	} else if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return append(files, own)
}

// entry is what a file has of one registry.
type entry struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
}

func entryOf(l Login) entry {
	if l.Token != "" {
		return entry{IdentityToken: l.Token}
	}
	return entry{Auth: base64.StdEncoding.EncodeToString([]byte(l.User + ":" + l.Password))}
}

func (e entry) login() (Login, error) {
	l := Login{e.Username, e.Password, e.IdentityToken}
	if e.Auth == "" {
		return l, nil
	}
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return l, fmt.Errorf("its login is not base64: %w", err)
	}
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return l, errors.New("its login is not USER:PASSWORD")
	}
	l.User, l.Password = user, strings.TrimRight(password, "\x00")
	return l, nil
}

// file is a configuration file. What else stands in it is kept as it is.
type file struct {
	path  string
	whole map[string]json.RawMessage
	auths map[string]entry
	// helper is the program for all registries, helpers those for one each.
	helper  string
	helpers map[string]string
}

// read reads a file; one that is missing is empty.
func read(path string) (*file, error) {
	f := &file{path: path, whole: map[string]json.RawMessage{}, auths: map[string]entry{}, helpers: map[string]string{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("registry credentials: %w", err)
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(data, &f.whole); err != nil {
		return nil, fmt.Errorf("registry credentials: %s: %w", path, err)
	}
	for key, to := range map[string]any{"auths": &f.auths, "credsStore": &f.helper, "credHelpers": &f.helpers} {
		if f.whole[key] == nil {
			continue
		}
		if err := json.Unmarshal(f.whole[key], to); err != nil {
			return nil, fmt.Errorf("registry credentials: %s: %s: %w", path, key, err)
		}
	}
	return f, nil
}

// helperFor returns the program that keeps the credentials of a registry, or "".
func (f *file) helperFor(registry string) string {
	for key, name := range f.helpers {
		if host(key) == registry {
			return name
		}
	}
	return f.helper
}

// Find returns the login for a registry; ok reports whether there is one.
func Find(registry string) (l Login, ok bool, err error) {
	for _, path := range paths() {
		f, err := read(path)
		if err != nil {
			return l, false, err
		}
		if l, ok, err := f.find(registry); ok || err != nil {
			return l, ok, err
		}
	}
	return l, false, nil
}

func (f *file) find(registry string) (l Login, ok bool, err error) {
	if name := f.helperFor(registry); name != "" {
		l, err := get(name, entryKey(registry))
		if err == nil || !errors.Is(err, errNotFound) {
			return l, err == nil, err
		}
	}
	for key, e := range f.auths {
		if host(key) != registry || isRepository(key) || e == (entry{}) {
			continue
		}
		l, err := e.login()
		if err != nil {
			return l, false, fmt.Errorf("registry credentials: %s: %s: %w", f.path, key, err)
		}
		return l, true, nil
	}
	return l, false, nil
}

// isRepository reports whether a key is for a part of a registry only.
func isRepository(key string) bool {
	if strings.Contains(key, "://") {
		return false
	}
	_, rest, _ := strings.Cut(key, "/")
	return rest != "" && rest != "v1/" && rest != "v2/"
}

// Gather returns one file, as JSON, with everything that the files say about
// any registry, and what the programs know of those in registries.
func Gather(registries []string) ([]byte, error) {
	auths := make(map[string]entry)
	for _, path := range paths() {
		f, err := read(path)
		if err != nil {
			return nil, err
		}
		for _, registry := range registries {
			l, ok, err := f.find(registry)
			if err != nil {
				return nil, err
			}
			if _, known := auths[registry]; ok && !known {
				auths[registry] = entryOf(l)
			}
		}
		for key, e := range f.auths {
			if _, known := auths[key]; !known && e != (entry{}) {
				auths[key] = e
			}
		}
	}
	return json.Marshal(map[string]any{"auths": auths})
}
