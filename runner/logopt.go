package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rl-project/rl/runner/logs"
)

// logOptions are those of the log, with what it says of the container: what
// --log-opt chooses.
func (m *monitor) logOptions() (o logs.Options, err error) {
	o = m.Log
	about := m.about()
	tag, err := o.Select.TagOf(about)
	if err != nil {
		return o, err
	}
	if o.Attrs, err = o.Select.Of(about); err != nil {
		return o, err
	}
	if o.Driver == logs.Journald {
		o.Fields = logs.FieldsOf(about, tag)
		return o, nil
	}
	if tag != "" {
		o.Attrs["tag"] = tag
	}
	return o, nil
}

// about is the container as its log may describe it.
func (m *monitor) about() logs.About {
	return logs.About{
		Container: m.ID, Called: m.Name, Image: m.Image, Digest: m.RootFS.ID, Executes: strings.Join(m.Spec.Process.Args, " "),
		Labels: m.Config.Labels, Environment: m.Spec.Process.Env,
	}
}

// lostPath is a file that says why output is being lost. It is in the runtime
// folder, as the disk with the state may be the one that is full.
func (s Store) lostPath(id string) string { return filepath.Join(s.sockets(), id[:32]+".lost") }

// LostOutput says why some of a container's output was not kept, "" if all was.
func (s Store) LostOutput(v View) string {
	if text, err := os.ReadFile(s.lostPath(v.ID)); err == nil {
		return string(text)
	}
	return v.LogError
}

// logFailed notes that output is being lost; inspect and logs show it.
func (m *monitor) logFailed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.LogError = err.Error()
	_ = os.WriteFile(m.store.lostPath(m.ID), []byte(m.State.LogError), 0o600)
}

// countLost adds to the reason how much was lost. The caller holds mu.
func (m *monitor) countLost() {
	if m.State.LogError == "" || m.io.log == nil {
		return
	}
	if lost := m.io.log.Lost(); lost > 0 {
		m.State.LogError = fmt.Sprintf("%d lines were lost: %s", lost, m.State.LogError)
	}
	os.Remove(m.store.lostPath(m.ID))
}
