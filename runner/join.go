package runner

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
)

// resolveJoins replaces names by ids in modes such as container:NAME.
func (s Store) resolveJoins(o *spec.Options) error {
	for _, mode := range []*string{&o.Network, &o.PID, &o.IPC, &o.UTS} {
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
	specs.UTSNamespace: "uts",
}

// joinedHostname is the name of the container whose UTS namespace o asks for,
// "" for none.
func (s Store) joinedHostname(o spec.Options) (string, error) {
	id, ok := strings.CutPrefix(o.UTS, "container:")
	if !ok {
		return "", nil
	}
	v, err := s.Load(id)
	if err != nil {
		return "", err
	}
	return hostnameOf(v.Container), nil
}

// hostnameOf is the name that a container believes its machine has.
func hostnameOf(c Container) string {
	for _, e := range c.Spec.Process.Env {
		if name, ok := strings.CutPrefix(e, "HOSTNAME="); ok && c.Spec.Hostname == "" {
			return name
		}
	}
	return c.Spec.Hostname
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

// joinShm brings /dev/shm of the container whose ipc namespace this one shares.
func (m *monitor) joinShm(l *launch) error {
	id := m.facts.Join[specs.IPCNamespace]
	shared := func(mount specs.Mount) bool { return mount.Source == spec.JoinedShm }
	if id == "" || !slices.ContainsFunc(m.Spec.Mounts, shared) {
		return nil
	}
	other, err := m.store.Load(id)
	if err != nil || !other.State.live() {
		return fmt.Errorf("%w: %.12s, whose ipc namespace this one shares: start it first", ErrNotRunning, id)
	}
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is in that mount namespace then, ends
		fd, err := openTreeOf(other.Init.PID, "/dev/shm")
		done <- result{fd, err}
	}()
	r := <-done
	if r.err != nil {
		return fmt.Errorf("container %.12s has no shared memory to share: %w", id, r.err)
	}
	l.addTree("/dev/shm", os.NewFile(uintptr(r.fd), "shm"))
	return nil
}

// openTreeOf copies the mount at path as process pid sees it. The calling thread
// is lost to everything else.
func openTreeOf(pid int, path string) (int, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return 0, os.NewSyscallError("unshare", err)
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
		return 0, os.NewSyscallError("setns", err)
	}
	// The namespace's root is the container's, whose links lead nowhere else.
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
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
