// Package runner carries a container through its life: create, start, attach,
// exec, stop, remove.
//
// Each running container has one monitor, a process of rl in the person's user
// namespace, which sets the container up, keeps its output, terminal and exit
// code, and survives the command that started it. There is nothing above the
// monitors: what is known of a container is in its folder, written by its
// monitor and read by everybody.
//
//	rl run ──starts──▶ monitor ──forks──▶ first process of the container
//	   ◀──── socket ────┘  ▲
//	rl exec, attach, stop ─┘  (the monitor's socket)
//
// Stored are facts: a process id with its start time, a boot id, an exit code.
// The word "running" is computed from them when somebody asks, so that it is
// right after any process was killed and after a reboot.
package runner

import (
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
	"github.com/rl-project/rl/storage"
)

// Container is what was decided when a container was created. It only changes
// by `rename`, `update`, `network connect` and `network disconnect`.
type Container struct {
	ID   string // 64 hexadecimal digits
	Name string
	// Renaming is the name that rename is giving it, "" at any other time.
	Renaming string `json:",omitempty"`
	Created  time.Time
	Image    string // as the person named it
	// RootFS is the image below the container: its layers stay where they are
	// as long as the container claims them.
	RootFS storage.Image
	// Spec is the container itself. Its mounts and root are those of the host.
	Spec *specs.Spec
	// Config is the image's configuration overlaid with the person's flags, as
	// inspect and commit show it.
	Config storage.Config

	Options    spec.Options // as typed, for inspect
	OpenStdin  bool         // -i
	AutoRemove bool         // --rm
	Ports      []slirp.PortMapping
	// Networks are those that it is on when it runs; none with --network none,
	// host and container:NAME.
	Networks []network.Wish `json:",omitempty"`
	Log      logs.Options
	// Volumes are the names of the volumes it mounts, which must not go away.
	Volumes []string `json:",omitempty"`
}

// State is what has happened to a container.
type State struct {
	// Boot is the boot id under which Monitor and Init mean anything.
	Boot    string
	Monitor process.ID
	Init    process.ID

	StartedAt  time.Time // zero before the first start
	FinishedAt time.Time // zero until the first end
	ExitCode   int
	OOMKilled  bool
	// Limit is the memory limit, in bytes, that OOMKilled is about.
	Limit int64
	// Error says why the last start failed.
	Error string
	// LogError says why output was lost, "" if none was.
	LogError string
	// Stopped is whether a person asked for the end.
	Stopped bool

	// Suspended is whether a person had its processes stopped by signals. It is
	// paused as long as they are.
	Suspended bool `json:",omitempty"`

	Cgroup string // of the processes, "" for none of its own
	// Attachments are what it has of each of its networks while it runs, the
	// oldest first.
	Attachments []slirp.Attachment `json:",omitempty"`
	// MemorySampled is whether --memory is enforced by the monitor.
	MemorySampled bool
	// Health is what the health check said when it last changed its mind.
	Health Healthiness `json:",omitempty"`
	// Restarts counts how often the restart policy started it again.
	Restarts int
	// Restarting is whether the monitor is about to start it again.
	Restarting bool
}
