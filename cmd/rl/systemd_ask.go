package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/internal/replace"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/systemd"
)

type systemdMayStartCmd struct {
	Container string `arg:""`
}

// Run fails for a container that is to stay stopped: a person stopped it before
// the machine started anew, or it has failed as often as it may.
func (c *systemdMayStartCmd) Run(a *app) error {
	_, v, err := a.container(c.Container)
	if err != nil {
		return err
	}
	facts, err := spec.FactsOf(v.Spec)
	if err == nil && facts.Restart.Name == "unless-stopped" && v.Stopped && v.Boot != process.Boot() {
		return &exitError{1, fmt.Errorf("container %s was stopped before the reboot and stays so: rl start %s", v.Name, v.Name)}
	}
	if err != nil || facts.Restart.MaxRetries == 0 {
		return err
	}
	return a.mayRetry(v.Name, facts.Restart)
}

// mayRetry fails when systemd, which counts from the last start by a person,
// has started the container again as often as its policy says.
func (a *app) mayRetry(name string, policy spec.RestartPolicy) error {
	out, err := askSystemctl(a, "show", "--property=NRestarts", "--value", unitName(name))
	if err != nil {
		a.warnf("how often has %s been started again? %v", name, err)
		return nil
	}
	if n, err := strconv.Atoi(strings.TrimSpace(out)); err == nil && n > policy.MaxRetries {
		return &exitError{1, fmt.Errorf("container %s failed again after %d restarts, and --restart %s allows no more: systemctl start %s tries anew", name, policy.MaxRetries, policy, name)}
	}
	return nil
}

// unitName is the file of a unit that was named with or without its ending.
func unitName(name string) string {
	if strings.HasSuffix(name, ".service") {
		return name
	}
	return name + ".service"
}

// unitFolder is where a person's units are, for root those of the machine.
func unitFolder() (string, error) {
	if os.Geteuid() == 0 {
		return "/etc/systemd/system", nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", usagef("where do units go? %w", err)
	}
	return filepath.Join(config, "systemd/user"), nil
}

func writeUnit(dir string, u *systemd.Unit) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, u.Name)
	return replace.Durably(path, path+".rl-new", []byte(u.String()), 0o644)
}

func systemctl(a *app, args ...string) error {
	_, err := askSystemctl(a, args...)
	return err
}

// askSystemctl asks the person's systemd, or for root the machine's, and
// returns what it prints.
func askSystemctl(a *app, args ...string) (string, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "", usagef("this machine is not run by systemd: units do nothing on it; --restart works while you are logged in")
	}
	if os.Geteuid() != 0 {
		if _, err := a.dirs(); err != nil { // which find the runtime folder
			return "", err
		}
		if os.Getenv("XDG_RUNTIME_DIR") == "" {
			return "", usagef("XDG_RUNTIME_DIR is not set, so your systemd cannot be found: log in by ssh or a console rather than by su or sudo, or use machinectl shell %s@", os.Getenv("USER"))
		}
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(context.Background(), "systemctl", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("systemctl %s: %s", strings.Join(args, " "), firstLine(errs.String(), err))
	}
	return string(out), nil
}

func firstLine(out string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if line == "" {
		return err.Error()
	}
	return line
}
