package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// credentialFiles are where Podman and Docker keep credentials, in the order in
// which they count. $REGISTRY_AUTH_FILE stands for all of them.
func credentialFiles() []string {
	if file := os.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		return []string{file}
	}
	var files []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	files = append(files, "/run/containers/0/auth.json")
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".config", "containers", "auth.json"), filepath.Join(home, ".docker", "config.json"))
	}
	return files
}

// rootCredentials returns root's registry credentials as a file in memory. In
// the user namespace root is somebody else, who cannot open root's files.
func rootCredentials() (*os.File, error) {
	auths := make(map[string]json.RawMessage)
	for _, file := range credentialFiles() {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("registry credentials: %w", err)
		}
		var c struct {
			Auths map[string]json.RawMessage `json:"auths"`
		}
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("registry credentials: %s: %w", file, err)
		}
		for registry, auth := range c.Auths {
			if _, known := auths[registry]; !known {
				auths[registry] = auth
			}
		}
	}
	data, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return nil, err
	}
	return inMemory("rl-credentials", data)
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
