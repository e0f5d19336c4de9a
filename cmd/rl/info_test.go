package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/fields"
	"github.com/rl-project/rl/internal/format"
	"github.com/rl-project/rl/runner"
)

// Templates that scripts give to `docker info` and `docker version`.
func TestInfoAnswersScripts(t *testing.T) {
	for _, template := range []string{
		"{{.ServerVersion}}", "{{.Driver}}", "{{.CgroupVersion}}", "{{.CgroupDriver}}", "{{.NCPU}}", "{{.MemTotal}}",
		"{{.OperatingSystem}}", "{{.OSType}}/{{.Architecture}}", "{{.KernelVersion}}", "{{.DockerRootDir}}",
		"{{range .SecurityOptions}}{{.}} {{end}}", "{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}}",
		"{{.ContainersStopped}} {{.Images}}", "{{.Swarm.LocalNodeState}}", "{{.ClientInfo.Version}}", "{{.Name}}",
		"{{.LoggingDriver}}", "{{.Plugins.Network}}", "{{.DefaultRuntime}}", "{{json .Runtimes}}", "{{.CpuCfsQuota}}",
		"{{.MemoryLimit}} {{.SwapLimit}}", "{{.Warnings}}", "{{.IndexServerAddress}}", "{{.DriverStatus}}",
	} {
		var out strings.Builder
		if err := format.Values(&out, template, []infoReport{newInfo(dirs.Dirs{Data: "/data", UID: 1000})}); err != nil {
			t.Errorf("%s: %v", template, err)
		}
	}
	for _, template := range []string{"{{.Client.Version}}", "{{.Server.Version}}", "{{.Server.Os}}/{{.Server.Arch}}",
		"{{.Server.KernelVersion}} {{.Server.GoVersion}} {{.Server.GitCommit}}"} {
		var out strings.Builder
		if err := format.Values(&out, template, []versionReport{{}}); err != nil {
			t.Errorf("%s: %v", template, err)
		}
	}
}

func TestInfoSaysWhoItIsFor(t *testing.T) {
	user, root := newInfo(dirs.Dirs{UID: 1000}), newInfo(dirs.Dirs{UID: 0})
	if !strings.Contains(strings.Join(user.SecurityOptions, " "), "name=rootless") {
		t.Error(user.SecurityOptions)
	}
	if strings.Contains(strings.Join(root.SecurityOptions, " "), "name=rootless") {
		t.Error(root.SecurityOptions)
	}
}

func TestInfoCgroups(t *testing.T) {
	for _, tt := range []struct {
		name            string
		info            cgroup2.Info
		version, driver string
		cpu, swap       bool
	}{
		{"nothing delegated", cgroup2.Info{Mode: cgroup2.Unified}, "2", "none", false, false},
		{"hybrid", cgroup2.Info{Mode: cgroup2.Hybrid}, "1", "none", false, false},
		{"systemd", cgroup2.Info{Mode: cgroup2.Unified, Systemd: true, Controllers: []string{"memory", "pids"}}, "2", "systemd", false, true},
		{"unit", cgroup2.Info{Mode: cgroup2.Unified, Delegated: "/x", Controllers: []string{"cpu"}}, "2", "cgroupfs", true, false},
	} {
		var r infoReport
		r.setCgroups(tt.info)
		if r.CgroupVersion != tt.version || r.CgroupDriver != tt.driver || r.CPUShares != tt.cpu || r.SwapLimit != tt.swap {
			t.Errorf("%s: %+v", tt.name, r)
		}
		if !r.MemoryLimit {
			t.Errorf("%s: --memory works everywhere", tt.name)
		}
	}
}

func TestInfoCounts(t *testing.T) {
	var r infoReport
	r.count([]runner.View{{Status: runner.Running}, {Status: runner.Paused}, {Status: runner.Exited}, {Status: runner.Created}})
	if r.Containers != 4 || r.ContainersRunning != 1 || r.ContainersPaused != 1 || r.ContainersStopped != 2 {
		t.Errorf("%+v", r)
	}
}

func TestOperatingSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "os-release")
	if got := operatingSystem(path); got != "Linux" {
		t.Errorf("without a file: %q", got)
	}
	for text, want := range map[string]string{
		"ID=x\nPRETTY_NAME=\"Some Linux 1\"\n": "Some Linux 1",
		"PRETTY_NAME='A'\n":                    "A",
		"PRETTY_NAME=Bare\n":                   "Bare",
		"ID=x\n":                               "Linux",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := operatingSystem(path); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// docs/inspect.md says of each field what the output shows.
func TestEveryFieldOfInfoAndVersion(t *testing.T) {
	full := newInfo(dirs.Dirs{Data: "/data", UID: 1000})
	full.setCgroups(cgroup2.Info{Mode: cgroup2.Unified, Systemd: true, Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"}})
	full.count([]runner.View{{Status: runner.Running}, {Status: runner.Paused}, {Status: runner.Exited}})
	full.Images, full.Driver, full.DriverStatus = 1, "overlay", [][2]string{{"Folder", "/x"}}
	full.Warnings, full.ID, full.OSVersion = []string{"x"}, "x", "x" // of the machine
	full.HTTPProxy, full.HTTPSProxy, full.NoProxy = "x", "x", "x"
	full.ClientInfo.GitCommit = "x"
	build := newVersion()
	build.Client.GitCommit, build.Server.GitCommit = "x", "x"
	for title, object := range map[string]any{"Info": full, "Version": build} {
		table, err := fields.Read("../../docs/inspect.md", title)
		if err != nil {
			t.Fatal(err)
		}
		wrong, err := table.Compare(object)
		if err != nil || len(wrong) > 0 {
			t.Errorf("%s: %v\n%s", title, err, strings.Join(wrong, "\n"))
		}
	}
}
