package runner

import (
	"time"

	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/slirp/network"
)

// Op is what a command asks a monitor for.
type Op string

// The first two are for a new monitor, the others for that of a running
// container.
const (
	OpCreate Op = "create" // make a container, and start it if Start is set
	OpStart  Op = "start"  // start the container ID
	OpAttach Op = "attach"
	OpExec   Op = "exec" // with the command's standard descriptors
	OpStop   Op = "stop" // answers when the container has ended
	OpKill   Op = "kill" // send Signal
	OpWait   Op = "wait" // answers with an exit frame
	// OpHealthy answers when the container is healthy for the first time.
	OpHealthy Op = "healthy"

	OpPause   Op = "pause"
	OpUnpause Op = "unpause"
	OpHold    Op = "hold"   // pause while the connection lasts
	OpRename  Op = "rename" // to Name
	OpUpdate  Op = "update" // as Update says
	// OpConnect puts it on Network, OpDisconnect takes it off.
	OpConnect    Op = "connect"
	OpDisconnect Op = "disconnect"
	OpTop        Op = "top"   // answers with process ids
	OpStats      Op = "stats" // answers with a Usage each time it is asked on the same connection
)

// Request is the first frame on a connection to a monitor.
type Request struct {
	Op     Op
	ID     string         `json:",omitempty"`
	Create *CreateOptions `json:",omitempty"`
	Start  bool           `json:",omitempty"`
	Attach Attach         `json:",omitzero"`
	// Supervised is whether somebody else starts the container again: its policy
	// is not the monitor's to carry out.
	Supervised bool `json:",omitempty"`
	// ByUnit is whether a unit of systemd's wants the end, at a shutdown for
	// example, and not a person.
	ByUnit  bool           `json:",omitempty"`
	Exec    *ExecOptions   `json:",omitempty"`
	Signal  int            `json:",omitempty"`
	Name    string         `json:",omitempty"`
	Update  *UpdateOptions `json:",omitempty"`
	Network *network.Wish  `json:",omitempty"`
	// Trees are the sources of bind mounts whose detached mounts come with the
	// request, in that order.
	Trees []string `json:",omitempty"`
	// Sockets are those of systemd's that come after the trees.
	Sockets Sockets `json:",omitzero"`
	// Timeout is how long a stop waits before it kills; nil for the container's own.
	Timeout *time.Duration `json:",omitempty"`
}

// CreateOptions are what a person asked of `run` or `create`.
type CreateOptions struct {
	Name       string
	Image      string
	Platform   string // "linux/arm64"; empty for the one this machine executes
	Options    spec.Options
	AutoRemove bool
	OpenStdin  bool
	Ports      []slirp.PortMapping
	// Networks to be on; where there are none Options.Network says it all.
	Networks []network.Wish
	Log      logs.Options
	// Files are the contents of files that options name, by absolute path, where
	// the monitor may not read them itself.
	Files map[string][]byte `json:",omitempty"`
	// Dir is the folder that relative paths start from.
	Dir string
	// Supervised is as in Request.
	Supervised bool `json:"-"`
}

// Attach says which of a container's streams a command wants.
type Attach struct {
	Stdin, Stdout, Stderr bool
	// StdinOnce closes the container's stdin when this command's ends.
	StdinOnce bool
	// Size is that of the command's terminal, zero without one.
	Size Size
}

// Any reports whether a stream is wanted at all.
func (a Attach) Any() bool { return a.Stdin || a.Stdout || a.Stderr }

// Size is that of a terminal.
type Size struct{ Rows, Cols uint16 }

// ExecOptions describe one more process in a container.
type ExecOptions struct {
	spec.ExecOptions
	Detach bool
	Size   Size // of the command's terminal
}

// Reply answers a request.
type Reply struct {
	ID string `json:",omitempty"`
	// Unresolved asks the command to resolve the image and to ask again.
	Unresolved bool `json:",omitempty"`
	// Code and Error are set when it failed; Code is that of `run` or `exec`.
	Code  int    `json:",omitempty"`
	Error string `json:",omitempty"`
	// Kind is the text of the sentinel in the error, which does not travel.
	Kind string `json:",omitempty"`
	// Notes are lines for the person.
	Notes []string `json:",omitempty"`
	// PIDs answers OpTop.
	PIDs []int `json:",omitempty"`
	// Usage answers OpStats.
	Usage *Usage `json:",omitempty"`
}

// Exit is how a process ended.
type Exit struct {
	Code      int
	OOMKilled bool   `json:",omitempty"`
	Limit     int64  `json:",omitempty"`
	Stopped   bool   `json:",omitempty"` // by a person, not by a unit
	Error     string `json:",omitempty"`
}

func (r Reply) err() error {
	if r.Error == "" {
		return nil
	}
	return &StartError{Code: r.Code, Text: r.Error, kind: sentinel(r.Kind)}
}
