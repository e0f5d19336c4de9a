package slirp

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// The uplinks that rl knows, by the names of their programs.
const (
	Pasta       = "pasta"
	Slirp4netns = "slirp4netns"
	Builtin     = "gvisor" // in slirp/gvisor, of parts of gvisor-tap-vsock
)

// Uplinks returns the names of all uplinks, the best first.
func Uplinks() []string { return []string{Pasta, Slirp4netns, Builtin} }

// IsUplink reports whether a word of --network chooses an uplink.
func IsUplink(word string) bool { return slices.Contains(Uplinks(), word) }

// oldestPasta is the release from which pasta is taken without being asked for.
// Before it, connections from behind a bridge could hang when the receiver's
// window was full, and tables for every port of UDP held 20 MB (measured on
// Debian 12's 20230309), twenty times what slirp4netns needs.
const oldestPasta = "20240320"

// ErrTooOld is an uplink program of a version that rl does not take by itself.
var ErrTooOld = errors.New("too old")

// FindUplink returns the path of an external uplink's program.
func FindUplink(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", name)
	}
	return path, nil
}

// CheckUplink reports why the program at path is not to be taken by itself;
// nil if it is. Whether it works on this machine shows only when it runs.
func CheckUplink(name, path string) error {
	if name != Pasta {
		return nil
	}
	output, err := exec.Command(path, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", path, err)
	}
	if len(output) == 0 {
		// Releases of 2025 (as in Debian 13) end before what they said has got
		// into a pipe. Those before oldestPasta do say it.
		return nil
	}
	date := releaseDate(string(output))
	if date == "" {
		return fmt.Errorf("pasta is %w: it does not know its version, %s is needed", ErrTooOld, oldestPasta)
	}
	if date < oldestPasta {
		return fmt.Errorf("pasta of %s is %w, %s is needed", date, ErrTooOld, oldestPasta)
	}
	return nil
}

// releaseDate finds the date in pasta's version: "pasta 2025_02_17.a1e48a0" and
// "pasta 0.0~git20240220.1e6f92b-1" are those of releases and distributions.
func releaseDate(version string) string {
	line, _, _ := strings.Cut(version, "\n")
	digits := strings.ReplaceAll(line, "_", "")
	for i := 0; i+8 <= len(digits); i++ {
		if candidate := digits[i : i+8]; strings.HasPrefix(candidate, "20") && onlyDigits(candidate) {
			return candidate
		}
	}
	return ""
}

func onlyDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
