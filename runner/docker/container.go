package docker

import (
	"fmt"
	"maps"
	"strings"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/logs"
)

// Container is what `inspect` shows of a container.
type Container struct {
	ID              string `json:"Id"`
	Created         string
	Path            string
	Args            []string
	State           State
	Image           string // "sha256:..."
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string
	Name            string // with a slash before it
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      HostConfig
	GraphDriver     GraphDriver
	SizeRw          *int64 `json:",omitempty"` // bytes written; set by the caller, and so is
	SizeRootFs      *int64 `json:",omitempty"` // bytes in all
	Mounts          []Mount
	Config          Config
	NetworkSettings NetworkSettings
}

// State is what has happened to a container. Times are in RFC 3339; one that
// has not come is in the year 1.
type State struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  string
	FinishedAt string
	Health     *Health `json:",omitempty"`

	// These are not Docker's.

	MemoryEnforcedBy string `json:",omitempty"` // who kills above HostConfig.Memory
	CgroupPath       string `json:",omitempty"`
	LogError         string `json:",omitempty"` // why output was not kept
}

// Health is what the health check has found.
type Health struct {
	Status        string
	FailingStreak int
	Log           []Probe
}

// Probe is one run of the health check.
type Probe struct {
	Start, End string
	ExitCode   int
	Output     string
}

// newHealth is nil for a container without a health check.
func newHealth(store runner.Store, v runner.View) *Health {
	if v.Health == "" {
		return nil
	}
	known := store.Health(v.ID)
	h := &Health{Status: string(Healthiness(v)), FailingStreak: known.FailingStreak, Log: []Probe{}}
	for _, p := range known.Log {
		h.Log = append(h.Log, Probe{Start: rfc3339(p.Start), End: rfc3339(p.End), ExitCode: p.ExitCode, Output: p.Output})
	}
	return h
}

// Healthiness is what is said of a container's health, "" without a check. As with
// Docker one that does not run is not healthy.
func Healthiness(v runner.View) runner.Healthiness {
	if v.Health != "" && !v.Active() {
		return runner.Unhealthy
	}
	return v.Health
}

// GraphDriver says where a container's files are.
type GraphDriver struct {
	Data map[string]string
	Name string
}

// NewContainer describes a container of store, which was loaded whole.
func NewContainer(store runner.Store, v runner.View) Container {
	c := Container{
		ID:              v.ID,
		Created:         rfc3339(v.Created),
		State:           newState(v),
		Image:           imageID(v),
		ResolvConfPath:  store.Folder(v.ID) + "/resolv.conf",
		HostnamePath:    store.Folder(v.ID) + "/hostname",
		HostsPath:       store.Folder(v.ID) + "/hosts",
		Name:            "/" + v.Name,
		RestartCount:    v.Restarts,
		Driver:          v.RootFS.Store.Driver,
		Platform:        "linux",
		HostConfig:      newHostConfig(v),
		GraphDriver:     graphDriver(store, v),
		Mounts:          Mounts(v),
		Config:          newConfig(v),
		NetworkSettings: networkSettings(v),
		Args:            []string{},
	}
	c.State.Health = newHealth(store, v)
	if args := v.Spec.Process.Args; len(args) > 0 {
		c.Path, c.Args = args[0], args[1:]
	}
	if v.Log.Driver != logs.None && v.Log.Driver != logs.Journald {
		c.LogPath = store.LogPath(v.ID)
	}
	return c
}

func newState(v runner.View) State {
	s := State{
		Status:     string(v.Status),
		Running:    runs(v),
		Paused:     v.Status == runner.Paused,
		Restarting: v.Status == runner.Restarting, Dead: v.Status == runner.Dead,
		OOMKilled:  v.OOMKilled,
		Error:      v.State.Error,
		StartedAt:  rfc3339(v.StartedAt),
		FinishedAt: rfc3339(v.FinishedAt),
		LogError:   v.LogError,
	}
	if s.Running {
		s.Pid, s.CgroupPath = v.Init.PID, v.Cgroup
	}
	if !s.Running || s.Restarting {
		s.ExitCode = v.ExitCode
		if !ended(v) {
			s.FinishedAt = "0001-01-01T00:00:00Z"
		}
	}
	switch {
	case v.Limit == 0 || v.StartedAt.IsZero():
	case v.MemorySampled:
		s.MemoryEnforcedBy = cgroup2.WatchedBy
	default:
		s.MemoryEnforcedBy = cgroup2.KernelBy
	}
	return s
}

// graphDriver names the layers, and as MergedDir the way into the container:
// its root is mounted in its own mount namespace only.
func graphDriver(store runner.Store, v runner.View) GraphDriver {
	merged := v.Spec.Root.Path
	if runs(v) {
		merged = fmt.Sprintf("/proc/%d/root", v.Init.PID)
	}
	return GraphDriver{Name: v.RootFS.Store.Driver, Data: map[string]string{
		"LowerDir":  strings.Join(v.RootFS.Layers, ":"),
		"UpperDir":  store.Folder(v.ID) + "/upper",
		"WorkDir":   store.Folder(v.ID) + "/work",
		"MergedDir": merged,
	}}
}

// imageID is empty for a container of --rootfs, which has no image.
func imageID(v runner.View) string {
	if v.RootFS.ID == "" {
		return ""
	}
	return "sha256:" + v.RootFS.ID
}

// orEmpty makes of a missing map an empty one, which JSON shows as {}.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
