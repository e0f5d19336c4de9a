package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/credentials"
	"github.com/rl-project/rl/storage"
)

// registryCommands are those that ask registries, which may want to know who
// asks; the name of an image or of a repository is the last of their arguments.
var registryCommands = []string{"build", "pull", "push", "resolve", "search"}

// gatherCredentials returns what the person is known by to the registries that
// a command may ask, as a file in memory. It is gathered on this side of the user
// namespace: inside, root cannot open root's files, and a program that keeps
// passwords in a keyring would be somebody else there.
func gatherCredentials(args []string) (*os.File, error) {
	registries := mirrorHosts()
	if args[0] == "build" {
		registries = append(registries, cacheHosts(args)...)
	} else if r, err := storage.ParseReference(args[len(args)-1]); err == nil {
		registries = append(registries, r.Domain)
	}
	slices.Sort(registries)
	data, err := credentials.Gather(slices.Compact(registries))
	if err != nil {
		return nil, err
	}
	return inMemory("rl-credentials", data)
}

// cacheHosts returns the registries that a build's --cache-from and --cache-to
// name, and the one that base images come from unless their names say another.
func cacheHosts(args []string) []string {
	hosts := []string{"docker.io"}
	for i, arg := range args {
		name, given := strings.CutPrefix(arg, "--cache-from=")
		if !given {
			name, given = strings.CutPrefix(arg, "--cache-to=")
		}
		if i > 0 && (args[i-1] == "--cache-from" || args[i-1] == "--cache-to") {
			name, given = arg, true
		}
		if _, ref, ok := strings.Cut(name, "ref="); ok {
			name, _, _ = strings.Cut(ref, ",")
		}
		if r, err := storage.ParseReference(name); given && err == nil {
			hosts = append(hosts, r.Domain)
		}
	}
	return hosts
}

// mirrorHosts returns the registries that registries.conf names as locations: a
// pull may go to one of them instead.
func mirrorHosts() []string {
	var hosts []string
	for _, file := range registriesFiles() {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the library says what is wrong with it
		}
		for line := range strings.Lines(string(text)) {
			key, value, ok := strings.Cut(line, "=")
			if !ok || strings.TrimSpace(key) != "location" {
				continue
			}
			value, _, _ = strings.Cut(strings.Trim(strings.TrimSpace(value), `"'`), "/")
			hosts = append(hosts, value)
		}
	}
	return hosts
}

// registriesFiles returns the places of registries.conf (containers-registries.conf(5)).
func registriesFiles() []string {
	files := []string{"/etc/containers/registries.conf"}
	dropIns := []string{"/etc/containers/registries.conf.d"}
	files = append(files, filepath.Join(configFolder(), "registries.conf"))
	dropIns = append(dropIns, filepath.Join(configFolder(), "registries.conf.d"))
	if file := os.Getenv("CONTAINERS_REGISTRIES_CONF"); file != "" {
		files = append(files, file)
	}
	for _, dir := range dropIns {
		found, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
		files = append(files, found...)
	}
	return files
}

// inMemory makes a file that exists only while somebody has it open.
func inMemory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
