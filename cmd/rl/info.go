package main

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
)

type infoCmd struct {
	Format string `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.ServerVersion}}'."`
}

// infoReport is what `info` knows, in Docker's words.
type infoReport struct {
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	Plugins            infoPlugins
	MemoryLimit        bool
	SwapLimit          bool
	CPUCfsPeriod       bool `json:"CpuCfsPeriod"`
	CPUCfsQuota        bool `json:"CpuCfsQuota"`
	CPUShares          bool
	CPUSet             bool
	PidsLimit          bool
	OomKillDisable     bool
	IPv4Forwarding     bool
	Debug              bool
	SystemTime         string
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string
	KernelVersion      string
	OperatingSystem    string
	OSType             string
	Architecture       string
	IndexServerAddress string
	NCPU               int
	MemTotal           int64
	DockerRootDir      string
	Name               string
	Labels             []string
	ServerVersion      string
	DefaultRuntime     string
	Runtimes           map[string]struct{}
	Swarm              struct{ LocalNodeState string }
	SecurityOptions    []string
	Warnings           []string
	ClientInfo         struct{ Version, GitCommit string }
}

type infoPlugins struct {
	Volume, Network, Log []string
}

// newInfo gathers what does not need the image store.
func newInfo(places dirs.Dirs) infoReport {
	r := infoReport{
		SystemTime: time.Now().Format(time.RFC3339Nano), LoggingDriver: logs.JSONFile, KernelVersion: kernel(),
		OperatingSystem: operatingSystem("/etc/os-release"), OSType: runtime.GOOS, Architecture: machine(),
		IndexServerAddress: "https://index.docker.io/v1/", NCPU: runtime.NumCPU(), DockerRootDir: places.Data,
		Labels: []string{}, ServerVersion: version, DefaultRuntime: "rl", Runtimes: map[string]struct{}{"rl": {}},
		IPv4Forwarding: true, // in the network that containers get
		Plugins: infoPlugins{
			Volume: []string{}, Network: []string{"bridge", "host", "none"}, Log: []string{logs.JSONFile, logs.None},
		},
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=userns", "name=cgroupns"}, Warnings: []string{},
	}
	if places.UID != 0 {
		r.SecurityOptions = append(r.SecurityOptions, "name=rootless")
	}
	r.Name, _ = os.Hostname()
	r.Swarm.LocalNodeState = "inactive"
	r.ClientInfo.Version, r.ClientInfo.GitCommit = version, commit
	var memory unix.Sysinfo_t
	if unix.Sysinfo(&memory) == nil {
		r.MemTotal = int64(memory.Totalram) * int64(memory.Unit)
	}
	r.setCgroups(cgroup2.Discover(context.Background()))
	return r
}

// setCgroups: a limit without its controller is refused, but for --memory,
// which rl itself can watch.
func (r *infoReport) setCgroups(i cgroup2.Info) {
	r.CgroupVersion, r.CgroupDriver = "2", "none"
	if i.Mode != cgroup2.Unified {
		r.CgroupVersion = "1"
	}
	switch {
	case i.Delegated != "":
		r.CgroupDriver = "cgroupfs"
	case i.Groups():
		r.CgroupDriver = "systemd"
	}
	cpu := i.Has("cpu")
	r.MemoryLimit, r.SwapLimit, r.PidsLimit, r.CPUSet = true, i.Has("memory"), i.Has("pids"), i.Has("cpuset")
	r.CPUCfsPeriod, r.CPUCfsQuota, r.CPUShares = cpu, cpu, cpu
	for _, f := range i.Findings() {
		if !f.OK && f.Cost != "" {
			r.Warnings = append(r.Warnings, f.Name+": "+f.Cost)
		}
	}
}

// count counts containers by their status.
func (r *infoReport) count(views []runner.View) {
	r.Containers = len(views)
	for _, v := range views {
		switch v.Status {
		case runner.Running, runner.Restarting:
			r.ContainersRunning++
		case runner.Paused:
			r.ContainersPaused++
		default:
			r.ContainersStopped++
		}
	}
}

// operatingSystem reads the distribution's name, os-release(5).
func operatingSystem(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "Linux"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return "Linux"
}

// machine is the processor as uname(1) names it.
func machine() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Machine[:])
}
