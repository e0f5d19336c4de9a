package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/runner/spec"
)

// cdiCmd is the part of the full program that reads CDI files, in the caller's
// namespaces; its answer is a spec.Injection.
type cdiCmd struct {
	Device []string `sep:"none"`
	GPUs   []string `name:"gpus" sep:"none"`
}

// cdiDirs are the folders of CDI files, the person's own last, which wins.
func cdiDirs() []string {
	dirs := []string{"/etc/cdi", "/var/run/cdi"}
	if dir := personsConfig(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "cdi"))
	}
	return dirs
}

// personsConfig is the folder of the person's configuration, "" if there is none.
func personsConfig() string {
	if dir := os.Getenv(lentConfigVar); dir != "" {
		return dir
	}
	dir, _ := os.UserConfigDir()
	return dir
}

// injectDevices completes options with what CDI files say of their devices.
// That takes the full program, so it is not asked for devices that are files.
func (a *app) injectDevices(o *spec.Options) error {
	for _, word := range o.GPUs {
		if _, err := spec.ParseGPUs(word); err != nil {
			return usagef("%w", err)
		}
	}
	var args []string
	for _, word := range o.Devices {
		if spec.IsCDIName(word) {
			args = append(args, "--device", word)
		}
	}
	for _, word := range o.GPUs {
		args = append(args, "--gpus", word)
	}
	if args == nil {
		return nil
	}
	program, err := fullProgram(a.places)
	if err != nil {
		return err
	}
	if program == "" {
		program = "/proc/self/exe"
	}
	cmd := exec.Command(program, append([]string{"cdi"}, args...)...)
	out, said := new(bytes.Buffer), new(bytes.Buffer)
	cmd.Args[0], cmd.Stdout, cmd.Stderr = "rl", out, said
	if err := cmd.Run(); err != nil && said.Len() > 0 {
		return usagef("%w", errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "rl: ")))
	} else if err != nil {
		return fmt.Errorf("read CDI files: %w", err)
	}
	o.Injection = new(spec.Injection)
	return json.Unmarshal(out.Bytes(), o.Injection)
}
