//go:build !split && !containers_image_openpgp

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rl-project/rl/internal/dirs"
)

// fullTags leave C libraries out of the full program; the Makefile has the same.
const fullTags = "containers_image_openpgp,exclude_graphdriver_btrfs"

// fullProgram returns the full program. A plain `go build ./cmd/rl` cannot link
// it: containers/image and containers/storage want C libraries unless build
// tags say otherwise, and nothing but the command line can set those. So this
// program, which only a developer has, builds it from the same sources when
// it is first needed.
func fullProgram(places dirs.Dirs) (string, error) {
	if places.Chosen != "" {
		return passingProgram()
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	version := fmt.Sprintf("%x-%x", self.ModTime().UnixNano(), self.Size())
	path, err := cachedProgram(places, version, buildTo)
	if err != nil {
		return "", fmt.Errorf("this rl comes from a plain `go build`, without image handling, and that could not be built now: %w; use `make build`", err)
	}
	return path, nil
}

// passingProgram builds the full program for one command, which leaves nothing behind.
func passingProgram() (string, error) {
	dir, err := os.MkdirTemp("", "rl-full-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rl-full")
	if err := buildTo(path); err != nil {
		return "", err
	}
	return heldProgram(path)
}

func buildTo(path string) error {
	_, source, _, _ := runtime.Caller(0)
	fmt.Fprintln(os.Stderr, "rl: building the part that handles images; `make build` puts it into the program")
	cmd := exec.Command("go", "build", "-tags", fullTags, "-o", path, ".")
	cmd.Dir = filepath.Dir(source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
