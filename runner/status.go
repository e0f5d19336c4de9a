package runner

import (
	"os"
	"strings"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/process"
)

// Status is a container's state in one word, as Docker has them.
type Status string

// The words of Docker's State.Status that apply here.
const (
	Created Status = "created"
	Running Status = "running"
	Paused  Status = "paused"
	Exited  Status = "exited"
	// Restarting is between two lives of a container with a restart policy.
	Restarting Status = "restarting"
	// Dead is one that can only be removed: its files are damaged.
	Dead Status = "dead"
)

// LostExitCode is reported for a container whose monitor was killed before it
// could write down how the container ended. The kernel kills the container
// then, so it is that of SIGKILL.
const LostExitCode = 137

const lostText = "its monitor was killed or the machine stopped"

// View is a container as it is at this moment.
type View struct {
	Container
	State
	Status Status
}

// look computes the status from the facts.
func look(c Container, s State) View {
	v := View{Container: c, State: s, Status: Exited}
	switch {
	case s.StartedAt.IsZero(): // also where a start has failed, as with Docker
		v.Status = Created
	case s.Restarting && s.ending():
		v.Status = Restarting
	case s.FinishedAt.Before(s.StartedAt) && (s.live() || s.ending()):
		v.Status = Running
		if s.frozen() || s.Suspended && cgroup2.Stopped(s.Init.PID) {
			v.Status = Paused
		}
	case s.Restarting: // it ended by itself, and nobody starts it again
		v.State.Error = lostText
	case s.FinishedAt.Before(s.StartedAt):
		v.ExitCode = LostExitCode
		v.State.Error = lostText
		v.State.Init, v.State.Monitor = process.ID{}, process.ID{}
	}
	return v
}

// Active reports whether the container has a monitor that keeps it: it runs, is
// paused, or is about to be started again.
func (v View) Active() bool {
	return v.Status == Running || v.Status == Paused || v.Status == Restarting
}

// Reason is why the container ended otherwise than by itself or a person's
// word; empty if there is nothing to say.
func (s State) Reason() string {
	if s.OOMKilled {
		return cgroup2.OOMText(s.Limit)
	}
	return s.Error
}

// live reports whether the container's first process exists.
func (s State) live() bool { return s.Boot == process.Boot() && s.Init.Alive() }

// ending reports whether the container's monitor, which is there, has yet to
// write down how the container ended.
func (s State) ending() bool { return s.Boot == process.Boot() && s.Monitor.Alive() }

// frozen reports whether the container's cgroup is paused.
func (s State) frozen() bool {
	if s.Cgroup == "" {
		return false
	}
	events, err := os.ReadFile(s.Cgroup + "/cgroup.events")
	return err == nil && strings.Contains(string(events), "frozen 1")
}
