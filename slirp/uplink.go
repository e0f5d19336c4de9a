package slirp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// The uplinks that rl knows, by the names of their programs.
const (
	Pasta       = "pasta"
	Slirp4netns = "slirp4netns"
	Builtin     = "gvisor" // rootlesskit's gvisor-tap-vsock network, in slirp/gvisor
)

// Uplinks returns the names of all uplinks, the best first.
func Uplinks() []string { return []string{Pasta, Slirp4netns, Builtin} }

// ErrTooOld is an uplink program that lacks what rl needs.
var ErrTooOld = errors.New("too old")

// FindUplink returns the path of the uplink's program. It looks only at what
// is installed: whether the program works here shows when it runs.
func FindUplink(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}
