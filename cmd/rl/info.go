package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/storage/volume"
)

type infoCmd struct {
	Format string `short:"f" placeholder:"FORMAT" help:"json, or a Go template such as '{{.ServerVersion}}'."`
}

// infoReport is what `info` knows, in Docker's words.
type infoReport struct {
	ID                 string
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	SystemStatus       [][2]string
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
	BridgeNfIptables   bool
	BridgeNfIP6tables  bool `json:"BridgeNfIp6tables"`
	Debug              bool
	NFd                int
	NGoroutines        int
	SystemTime         string
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string
	NEventsListener    int
	KernelVersion      string
	OperatingSystem    string
	OSVersion          string
	OSType             string
	Architecture       string
	IndexServerAddress string
	RegistryConfig     infoRegistries
	NCPU               int
	MemTotal           int64
	GenericResources   []struct{}
	DockerRootDir      string
	HTTPProxy          string `json:"HttpProxy"`
	HTTPSProxy         string `json:"HttpsProxy"`
	NoProxy            string
	Name               string
	Labels             []string
	ExperimentalBuild  bool
	ServerVersion      string
	Runtimes           map[string]infoRuntime
	DefaultRuntime     string
	Swarm              infoSwarm
	LiveRestoreEnabled bool
	Isolation          string
	InitBinary         string
	ContainerdCommit   infoCommit
	RuncCommit         infoCommit
	InitCommit         infoCommit
	SecurityOptions    []string
	CDISpecDirs        []string
	Warnings           []string
	ClientInfo         infoClient
}

type infoRegistries struct {
	IndexConfigs          map[string]struct{}
	InsecureRegistryCIDRs []string
	Mirrors               []string
}

type infoRuntime struct {
	Path string `json:"path"`
}

type infoSwarm struct {
	NodeID           string
	NodeAddr         string
	LocalNodeState   string
	ControlAvailable bool
	Error            string
	RemoteManagers   []struct{}
}

type infoCommit struct{ ID, Expected string }

type infoClient struct {
	Debug     bool
	Version   string
	GitCommit string
	GoVersion string
	Os        string
	Arch      string
	Context   string
	Plugins   []struct{}
	Warnings  []string
}

type infoPlugins struct {
	Volume, Network, Authorization, Log []string
}

// newInfo gathers what does not need the image store.
func newInfo(places dirs.Dirs) infoReport {
	r := infoReport{
		SystemTime: time.Now().Format(time.RFC3339Nano), LoggingDriver: logs.JSONFile, KernelVersion: kernel(),
		OperatingSystem: operatingSystem("/etc/os-release"), OSType: runtime.GOOS, Architecture: machine(),
		IndexServerAddress: "https://index.docker.io/v1/", NCPU: runtime.NumCPU(), DockerRootDir: cmp.Or(places.Chosen, places.Data),
		Labels: []string{}, ServerVersion: version, DefaultRuntime: "rl", Runtimes: map[string]infoRuntime{"rl": {Path: "rl"}}, InitBinary: "rl init", CDISpecDirs: cdiDirs(),
		IPv4Forwarding: true, // in the network that containers get
		Plugins: infoPlugins{
			Volume: []string{volume.Driver}, Authorization: []string{}, Network: []string{"bridge", "host", "none"}, Log: []string{logs.JSONFile, logs.Local, logs.Journald, logs.None},
		},
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=userns", "name=cgroupns"}, Warnings: []string{},
	}
	if places.UID != 0 {
		r.SecurityOptions = append(r.SecurityOptions, "name=rootless")
	}
	r.Name, _ = os.Hostname()
	r.Swarm.LocalNodeState = "inactive"
	r.ClientInfo = infoClient{
		Version: version, GitCommit: commit, GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH, Context: "default",
		Plugins: []struct{}{}, Warnings: []string{},
	}
	r.OSVersion = osRelease("/etc/os-release", "VERSION_ID")
	r.HTTPProxy, r.HTTPSProxy, r.NoProxy = proxy("http_proxy"), proxy("https_proxy"), proxy("no_proxy")
	r.ID = machineID(places.UID)
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

// operatingSystem is the distribution's name.
func operatingSystem(path string) string {
	if name := osRelease(path, "PRETTY_NAME"); name != "" {
		return name
	}
	return "Linux"
}

// osRelease reads one value of os-release(5), "" where there is none.
func osRelease(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), key+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// proxy is a variable that programs take by either spelling.
func proxy(name string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return os.Getenv(strings.ToUpper(name))
}

// machineID tells this machine and person from others, machine-id(5); the id
// itself is not to be shown.
func machineID(uid int) string {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(append(id, strconv.Itoa(uid)...))
	return hex.EncodeToString(sum[:16])
}

// machine is the processor as uname(1) names it.
func machine() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Machine[:])
}
