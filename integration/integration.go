// Package integration tests rl from the outside: it knows the built program
// and nothing of its source.
//
// The harness lives in the ordinary files of this package, the tests in the
// _test files. An Env is one installation of rl: a user, a home, a run-time
// folder. Tests ask for the shared ones (Each, AsUser), in which images are
// loaded already, or for one of their own (Fresh), which is checked for
// leftovers at its end. What a test needs from the machine it says with Need.
//
// Environment variables: RL_BIN is the program under test (else bin/rl, built
// when it is not there), RL_IMAGES the folder with real images (else
// ../shared/images beside the checkout), and RL_NO_SKIP=1 turns every skip
// into a failure.
package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Main runs the tests of the package and removes the shared installations
// afterwards. TestMain calls it.
func Main(m *testing.M) int {
	if _, err := Bin(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	code := m.Run()
	if leaks := closeShared(); len(leaks) > 0 {
		for _, l := range leaks {
			fmt.Println("left behind by the shared tests:", l)
		}
		return 1
	}
	return code
}

// Bin is the absolute path of the program under test.
var Bin = sync.OnceValues(func() (string, error) {
	bin := os.Getenv("RL_BIN")
	if bin == "" {
		bin = filepath.Join(Root(), "bin", "rl")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	out, err := exec.Command("make", "-C", Root(), "build").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, out)
	}
	return bin, nil
})

// Root is the top folder of the checkout: the nearest one above the working
// directory that has a go.mod, or the working directory. It is looked up once:
// entering a mount namespace changes the working directory.
var Root = sync.OnceValue(func() string {
	here, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := here; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	return here
})

// ImageDir is the folder with real images; it may not exist.
func ImageDir() string {
	if d := os.Getenv("RL_IMAGES"); d != "" {
		return d
	}
	return filepath.Join(filepath.Dir(Root()), "shared", "images")
}
