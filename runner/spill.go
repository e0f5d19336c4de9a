package runner

import (
	"encoding/json"
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/internal/replace"
)

// spillPath is where a state is kept that the disk has no room for: in the runtime
// folder, which is in memory.
func (s Store) spillPath(id string) string { return filepath.Join(s.sockets(), id[:32]+".state") }

// spill keeps a state that could not be written for the reason err, if that is a
// full disk. What is asked about the container is then answered by it.
func (s Store) spill(id string, st State, err error) {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return
	}
	if data, err := json.Marshal(st); err == nil {
		_ = replace.File(s.spillPath(id), s.spillPath(id)+".new", data, 0o600)
	}
}

// settleState returns what was spilled since st was written. It looks only where st
// says of a container that runs no more that it runs.
func (s Store) settleState(id string, st State) State {
	ended := !st.Restarting && !st.FinishedAt.Before(st.StartedAt)
	if ended || st.Boot != process.Boot() || st.live() {
		return st
	}
	var spilled State
	err := s.readJSON(s.spillPath(id), &spilled)
	if err != nil || spilled.Boot != st.Boot || spilled.StartedAt.Before(st.StartedAt) {
		return st
	}
	return spilled
}
