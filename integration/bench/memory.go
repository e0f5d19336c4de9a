package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rl-project/rl/integration"
)

// footprint is the memory that a tool keeps for one idle container with a
// network and a published port.
type footprint struct {
	tool  string
	parts []string // a program and its share each
	total int      // kilobytes, proportional set size
}

// quiet is how long the containers are left alone before they count as idle.
const quiet = 2 * time.Second

// memory adds up the proportional set sizes: memory shared between processes
// counts once, divided among those that share it.
func (s *stage) memory() ([]footprint, error) {
	time.Sleep(quiet)
	tools := []struct {
		name string
		env  *integration.Env
	}{{"rl", s.rl}}
	if s.podman {
		tools = append(tools, struct {
			name string
			env  *integration.Env
		}{"podman", s.peers})
	}
	var all []footprint
	for _, t := range tools {
		f, err := measureEnv(t.name, t.env)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func measureEnv(tool string, e *integration.Env) (footprint, error) {
	f := footprint{tool: tool}
	for _, p := range e.Processes() {
		if p.Args[0] == "sleep" { // the container's own
			continue
		}
		kb, err := pss(p.PID)
		if err != nil {
			return f, err
		}
		f.total += kb
		f.parts = append(f.parts, fmt.Sprintf("%s %.1f", filepath.Base(p.Args[0])+subcommand(p), float64(kb)/1024))
	}
	slices.Sort(f.parts)
	return f, nil
}

// subcommand tells rl's processes apart.
func subcommand(p integration.Process) string {
	if p.Ours && len(p.Args) > 1 && !strings.HasPrefix(p.Args[1], "/") {
		return " " + p.Args[1]
	}
	return ""
}

// pss is the proportional set size of a process in kilobytes.
func pss(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &kb); err == nil {
			return kb, nil
		}
	}
	return 0, fmt.Errorf("no Pss in smaps_rollup of process %d", pid)
}
