package runner

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/logs"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage"
)

// start brings the container up to the moment its command is executed, and calls
// meanwhile as soon as there is a child at work. On failure everything is undone
// but what meanwhile did and what stays in the container's folder. It runs on the
// main thread, whose end is the container's.
func (m *monitor) start(ctx context.Context, meanwhile func() error) (err error) {
	undo := new(cleanup)
	defer func() {
		if err != nil {
			undo.run()
		}
	}()
	if err := m.createSources(); err != nil {
		return failf("create the folder to mount: %w", err)
	}
	options, err := m.logOptions()
	if err != nil {
		return failf("--log-opt: %w", err)
	}
	if m.io.log, err = logs.Open(m.store.LogPath(m.ID), options, m.logFailed); err != nil {
		return failf("open the log: %w", err)
	}
	if err := m.makeGroup(ctx, undo); err != nil {
		return err
	}
	launch, err := m.launch(undo)
	if err != nil {
		return err
	}
	child, err := fork.Start(launch.Program(), fork.Options{Flags: launch.CloneFlags(), Cgroup: m.groupFD()})
	if err != nil {
		return failf("start the container: %w", err)
	}
	pid := child.PID
	undo.add(func() { killChild(pid) })
	launch.closeChildEnds()
	if launch.JoinPID != 0 {
		if pid, err = child.Report(); err != nil {
			return failf("join the other container's processes: %w", err)
		}
		unix.Wait4(child.PID, nil, 0, nil)
	}
	if err := meanwhile(); err != nil {
		return err
	}
	if err := m.arrange(ctx, pid, launch); err != nil {
		return m.childsWord(child, pid, err)
	}
	if err := child.Wait(); err != nil {
		return explain(err, m.Spec.Process.Args[0])
	}
	launch.ready.Close() // open until now, which told the child that we live
	return m.started(pid)
}

// childsWord returns what made the child give up, if it has, which made that fail
// which was to be arranged for it; otherwise err.
func (m *monitor) childsWord(child *fork.Process, pid int, err error) error {
	unix.Kill(pid, unix.SIGKILL) // so that its word comes to an end
	if failed := child.Wait(); failed != nil {
		return explain(failed, m.Spec.Process.Args[0])
	}
	return err
}

func killChild(pid int) {
	unix.Kill(pid, unix.SIGKILL)
	unix.Wait4(pid, nil, 0, nil)
}

// createSources makes the missing sources of bind mounts that -v asked for.
func (m *monitor) createSources() error {
	for _, dir := range m.facts.CreateSources {
		if m.trees[dir] != nil {
			continue // the command made it
		}
		if _, err := os.Lstat(dir); err == nil {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// launch is what start hands to the child and has to close afterwards.
type launch struct {
	boot.Init
	ready   *os.File // a byte in it lets the child go on
	console *os.File // yields the terminal
	fuse    *os.File // yields /dev/fuse
	mapped  *os.File // a byte in it says that the ids are there
	hooks   *os.File // yields a byte when all is mounted; a byte in it lets the child go on
	overlay storage.Overlay
	child   []*os.File // the child's ends
}

func (l *launch) closeChildEnds() {
	for _, f := range l.child {
		f.Close()
	}
	l.child = nil
}

// launch prepares the child's program.
func (m *monitor) launch(undo *cleanup) (*launch, error) {
	l := &launch{Init: boot.Init{Spec: m.Spec, Root: m.Spec.Root.Path, KeepGroups: m.facts.KeepGroups}}
	undo.add(l.closeChildEnds)
	l.Trees = map[string]int{}
	err := m.copyTrees(l)
	if err != nil {
		return nil, failf("%w", err)
	}
	if err := m.openSubpaths(l); err != nil {
		return nil, failf("%w", err)
	}
	if err = m.joinShm(l); err != nil {
		return nil, failf("%w", err)
	}
	if l.Filter, err = filterOf(m.Spec); err != nil {
		return nil, failf("seccomp: %w", err)
	}
	if err := m.rootMount(l, undo); err != nil {
		return nil, failf("%w", err)
	}
	if err := m.join(l, undo); err != nil {
		return nil, failf("%w", err)
	}
	if m.netns != nil {
		l.Joins = append(l.Joins, int(m.netns.Fd()))
	}
	if err := m.passSockets(l); err != nil {
		return nil, failf("%w", err)
	}
	if l.ready, l.Ready, err = l.gate(undo); err != nil {
		return nil, err
	}
	l.Sync = int(l.ready.Fd())
	if err := l.openHooks(undo); err != nil {
		return nil, err
	}
	if m.facts.Init {
		l.Reaper = []string{"rl", "init", "--"}
	}
	if m.Spec.Process.Terminal {
		return l, l.openConsole(undo)
	}
	ends, child, err := m.io.open(m.OpenStdin)
	l.Stdio, l.child = ends, append(l.child, child...)
	return l, err
}

// openConsole makes the socket over which the child sends its terminal.
func (l *launch) openConsole(undo *cleanup) (err error) {
	l.console, l.Stdio.Console, err = l.socket(undo)
	return err
}

// openHooks makes the socket on which the child waits for hooks, if it has any.
func (l *launch) openHooks(undo *cleanup) (err error) {
	if l.Spec.Hooks == nil {
		return nil
	}
	l.hooks, l.Hooks, err = l.socket(undo)
	if err == nil {
		l.HooksSync = int(l.hooks.Fd())
	}
	return err
}

// socket makes a socket over which the child sends a descriptor.
func (l *launch) socket(undo *cleanup) (ours *os.File, child int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, os.NewSyscallError("socketpair", err)
	}
	ours = os.NewFile(uintptr(pair[0]), "descriptors")
	l.child = append(l.child, os.NewFile(uintptr(pair[1]), "descriptors"))
	undo.add(func() { ours.Close() })
	return ours, pair[1], nil
}

// gate makes a pipe on which the child waits for a byte.
func (l *launch) gate(undo *cleanup) (ours *os.File, child int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, 0, os.NewSyscallError("pipe2", err)
	}
	ours = os.NewFile(uintptr(fds[1]), "gate")
	l.child = append(l.child, os.NewFile(uintptr(fds[0]), "gate"))
	undo.add(func() { ours.Close() })
	return ours, fds[0], nil
}

// rootMount says how the image is mounted.
func (m *monitor) rootMount(l *launch, undo *cleanup) (err error) {
	folder := m.store.Folder(m.ID)
	if !m.claimed {
		// The claim may have been taken away, by Podman told to, since creation.
		if err := claimImage(&m.RootFS, m.ID, folder); err != nil {
			return err
		}
	}
	if l.Mount.Bind, err = m.folderRoot(); err != nil || l.Mount.Bind != "" {
		return err
	}
	note := ""
	if l.overlay, note, err = m.Container.overlay(filepath.Join(folder, "upper"), filepath.Join(folder, "work")); err != nil {
		return err
	}
	if note != "" {
		m.notes = append(m.notes, note)
	}
	l.Mount = boot.RootMount{Folder: l.overlay.Folder, Options: l.overlay.Options}
	if l.overlay.Program == "" {
		return nil
	}
	l.fuse, l.Mount.FUSE, err = l.socket(undo)
	return err
}

// arrange does what needs the child's process id, and lets it go on.
func (m *monitor) arrange(ctx context.Context, pid int, l *launch) error {
	if err := m.mapIDs(pid, l); err != nil {
		return failf("%w", err)
	}
	if err := l.serveFUSE(); err != nil {
		return failf("%w", err)
	}
	if m.network == nil {
		if err := m.connect(ctx, pid); err != nil {
			return err
		}
	}
	if err := l.runHooks(ctx, m.ID, m.store.Folder(m.ID), pid); err != nil {
		return failf("%w", err)
	}
	if l.console != nil {
		master, err := receiveTerminal(l.console)
		if err == nil {
			err = m.io.openTerminal(master)
			m.io.resizeTo(m.size)
		}
		if err != nil && !errors.Is(err, errNoFile) { // the child says what went wrong
			return failf("receive the terminal: %w", err)
		}
	}
	if _, err := l.ready.Write([]byte{1}); err != nil && !errors.Is(err, unix.EPIPE) {
		return failf("start the container: %w", err)
	}
	return nil
}

// makeGroup makes the container's cgroup, or learns that there is none and
// that the memory limit is the monitor's to enforce.
func (m *monitor) makeGroup(ctx context.Context, undo *cleanup) error {
	parent := m.facts.CgroupParent
	if m.store.UID == 0 {
		parent = "" // the group that root has lent lies there
	}
	group, err := cgroup2.Create(ctx, cgroup2.Options{
		ID: m.ID, Resources: m.Spec.Linux.Resources, PID: os.Getpid(), Parent: parent,
	})
	if err != nil {
		return failf("%w", err)
	}
	m.group = group
	if group != nil {
		undo.add(func() { group.Remove(context.WithoutCancel(ctx)) })
	}
	m.State.Limit = memoryLimit(m.Spec.Linux.Resources)
	watched := cgroup2.WatchLimit(group, m.Spec.Linux.Resources)
	m.State.MemorySampled = watched > 0
	if watched > 0 {
		m.notes = append(m.notes, cgroup2.WatchNotice(watched))
	}
	if group == nil && m.facts.Systemd {
		m.notes = append(m.notes, cgroup2.InitNotice)
	}
	return nil
}

func (l *life) groupFD() int {
	if l.group == nil {
		return 0
	}
	return l.group.FD()
}

// connect gives the container its network and the files about it.
func (m *monitor) connect(ctx context.Context, pid int) error {
	hostname := hostnameOf(m.Container)
	extra, err := m.extraHosts()
	if err != nil {
		return err
	}
	files := map[string][]byte{"hostname": []byte(hostname + "\n")}
	switch {
	case m.facts.Join[specs.NetworkNamespace] != "":
		return m.shareFiles(m.facts.Join[specs.NetworkNamespace])
	case m.facts.Network == "none":
		files["hosts"] = slirp.Hosts(nil, netip.Addr{}, extra)
		files["resolv.conf"] = m.resolver(slirp.ResolvConf{}).Bytes()
	case m.facts.Network == "host":
		files["hosts"], files["resolv.conf"] = m.hostFiles(extra)
	default:
		if err := m.attachNetwork(ctx, pid); err != nil {
			return err
		}
		if files["hosts"], files["resolv.conf"], err = m.networkFiles(extra); err != nil {
			m.dropNetwork()
			return err
		}
	}
	for name, text := range files {
		// Written in place: the file is already mounted in the container.
		if err := os.WriteFile(filepath.Join(m.store.Folder(m.ID), name), text, 0o644); err != nil {
			return failf("write the container's /etc/%s: %w", name, err)
		}
	}
	return nil
}

// shareFiles gives the container the files about the network that it shares
// with another.
func (m *monitor) shareFiles(id string) error {
	for _, name := range etcFiles {
		text, err := os.ReadFile(m.store.file(id, name))
		if err == nil {
			err = os.WriteFile(m.store.file(m.ID, name), text, 0o644)
		}
		if err != nil {
			return failf("share the network of %.12s: %w", id, err)
		}
	}
	return nil
}

func (m *monitor) attachNetwork(ctx context.Context, pid int) error {
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer netns.Close()
	return m.attachNetworks(ctx, netns)
}

// dropNetwork undoes attachNetwork.
func (m *monitor) dropNetwork() {
	if m.network != nil {
		m.network.Close()
	}
}

// started writes down that the container runs.
func (m *monitor) started(pid int) error {
	first, err := process.Identify(pid)
	if err != nil {
		first = process.ID{PID: pid} // it is over already; our wait tells how
	}
	self, err := process.Identify(os.Getpid())
	if err != nil {
		return err
	}
	m.keepNetwork(pid)
	m.keepMounts(pid)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.StartedAt, m.State.Error, m.State.OOMKilled, m.State.Restarting = time.Now(), "", false, false
	m.State.Stopped = m.halted() && !m.byUnit
	if m.State.Health = ""; m.facts.Health != nil {
		m.State.Health = Starting
	}
	m.State.Boot, m.State.Init, m.State.Monitor = process.Boot(), first, self
	m.State.Suspended, m.suspended = false, nil
	if m.group != nil {
		m.State.Cgroup = m.group.Path()
	}
	m.init = &process.Child{PID: pid}
	if m.halted() { // asked for while it was being started again
		m.init.Signal(unix.SIGKILL)
	}
	if err := m.save(); err != nil && m.State.Restarts == 0 { // a full disk does not keep it from starting again
		return err
	}
	return nil
}

// cleanup undoes the steps of a start that failed, the last first.
type cleanup struct{ steps []func() }

func (c *cleanup) add(f func()) { c.steps = append(c.steps, f) }

func (c *cleanup) run() {
	for _, f := range slices.Backward(c.steps) {
		f()
	}
}

// pidNamespace reports whether the container has processes of its own only.
func pidNamespace(s *specs.Spec) bool { return boot.Flags(s)&unix.CLONE_NEWPID != 0 }
