package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Requirement is something that a test needs from the machine and that can
// check itself. Check returns nil, or what is missing and how to get it.
type Requirement struct {
	Name  string
	Check func() error
}

// Need skips the test when a requirement is not there, naming it; with
// RL_NO_SKIP=1 the test fails instead.
func Need(t testing.TB, all ...Requirement) {
	t.Helper()
	for _, r := range all {
		err := r.Check()
		if err == nil {
			continue
		}
		if os.Getenv("RL_NO_SKIP") == "1" {
			t.Fatalf("missing: %s: %v", r.Name, err)
		}
		t.Skipf("missing: %s: %v", r.Name, err)
	}
}

// Superuser means that the tests run as root.
var Superuser = Requirement{"root", func() error {
	if os.Geteuid() != 0 {
		return errors.New("the tests run as an ordinary user; run them as root too")
	}
	return nil
}}

// Program means that a program is installed; pkg is the Debian package that
// brings it.
func Program(name, pkg string) Requirement {
	return Requirement{name, func() error {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("apt-get install %s", pkg)
		}
		return nil
	}}
}

// Programs that tests compare with or test against.
var (
	Podman         = Program("podman", "podman")
	Buildah        = Program("buildah", "buildah")
	Crun           = Program("crun", "crun")
	Runc           = Program("runc", "runc")
	Bubblewrap     = Program("bwrap", "bubblewrap")
	Skopeo         = Program("skopeo", "skopeo")
	DockerRegistry = Program("docker-registry", "docker-registry")
	Busybox        = Program("busybox", "busybox-static")
	NewUIDMap      = Program("newuidmap", "uidmap")
)

// RealImages means that the folder with the real images is there.
var RealImages = Requirement{"real images", func() error {
	if _, err := os.Stat(ImageDir()); err != nil {
		return fmt.Errorf("%w (set RL_IMAGES to the folder that holds alpine-3.20.3.tar)", err)
	}
	return nil
}}
