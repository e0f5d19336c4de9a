package runner

import (
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
)

// resolveJoins replaces names by ids in modes such as container:NAME.
func (s Store) resolveJoins(o *spec.Options) error {
	for _, mode := range []*string{&o.Network, &o.PID, &o.IPC} {
		name, ok := strings.CutPrefix(*mode, "container:")
		if !ok {
			continue
		}
		v, err := s.Find(name)
		if err != nil {
			return err
		}
		*mode = "container:" + v.ID
	}
	return nil
}

// procNames are the names of namespaces in /proc/PID/ns.
var procNames = map[specs.LinuxNamespaceType]string{
	specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.PIDNamespace: "pid",
}

// join opens the namespaces of other containers, which must be running, and
// makes a pipe for the ids of a user namespace of the container's own.
func (m *monitor) join(l *launch, undo *cleanup) (err error) {
	for kind, id := range m.facts.Join {
		other, err := m.store.Load(id)
		if err != nil || !other.State.live() {
			return fmt.Errorf("%w: %.12s, whose %s namespace this one shares: start it first", ErrNotRunning, id, procNames[kind])
		}
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", other.Init.PID, procNames[kind]))
		if err != nil {
			return err
		}
		undo.add(func() { f.Close() })
		l.child = append(l.child, f)
		if kind == specs.PIDNamespace {
			l.JoinPID = int(f.Fd())
		} else {
			l.Joins = append(l.Joins, int(f.Fd()))
		}
	}
	if boot.Flags(m.Spec)&unix.CLONE_NEWUSER == 0 {
		return nil
	}
	if l.mapped, l.Mapped, err = l.gate(undo); err != nil {
		return err
	}
	l.MappedSync = int(l.mapped.Fd())
	return nil
}

// mapIDs gives the container's own user namespace its ids.
func (m *monitor) mapIDs(pid int, l *launch) error {
	if l.mapped == nil {
		return nil
	}
	defer l.mapped.Close()
	for file, maps := range map[string][]specs.LinuxIDMapping{"uid_map": m.Spec.Linux.UIDMappings, "gid_map": m.Spec.Linux.GIDMappings} {
		var text string
		for _, id := range maps {
			text += fmt.Sprintf("%d %d %d\n", id.ContainerID, id.HostID, id.Size)
		}
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file), []byte(text), 0); err != nil {
			return fmt.Errorf("map ids for keep-id: %w", err)
		}
	}
	_, err := l.mapped.Write([]byte{1})
	return err
}
