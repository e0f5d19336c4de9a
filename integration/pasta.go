package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// InstallPasta puts the pasta of Debian 13 before what the machine has, for the Env's
// commands. It brings its own C library and the loader that goes with it.
func (e *Env) InstallPasta() error {
	archive, err := debianTar("--variant=extract", "--include=passt", "trixie")
	if err != nil {
		return err
	}
	root, programs := filepath.Join(e.Dir, "trixie"), filepath.Join(e.Dir, "programs")
	for _, dir := range []string{root, programs} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if out, err := exec.Command("tar", "-C", root, "-xf", archive, "./usr").CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %w: %s", archive, err, out)
	}
	loaders, err := filepath.Glob(root + "/usr/lib/*/ld-linux-*")
	if err != nil || len(loaders) != 1 {
		return fmt.Errorf("%s has the loaders %v, %w", archive, loaders, err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s --library-path %s --argv0 pasta %s/usr/bin/pasta \"$@\"\n", loaders[0], filepath.Dir(loaders[0]), root)
	if err := os.WriteFile(filepath.Join(programs, "pasta"), []byte(script), 0o755); err != nil {
		return err
	}
	e.installed = programs
	return nil
}
