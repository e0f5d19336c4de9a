package runner

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
)

// exec runs one more process in the container. Its standard descriptors are
// the command's own, which came with the request, so that no data passes
// through the monitor; a terminal's outer side goes back to the command.
func (m *monitor) exec(w *wire, o ExecOptions) {
	files := w.files()
	defer func() { closeAll(files) }()
	process, err := m.execProcess(o)
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	e, err := m.forkExec(process, files, o)
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	closeAll(files)
	files = nil
	w.sendJSON(frameReply, Reply{ID: m.ID}, e.outer...)
	closeAll(e.outer)
	w.sendJSON(frameExit, Exit{Code: e.wait()})
}

// execProcess describes the process: the container's own, with the changes
// that were asked for.
func (m *monitor) execProcess(o ExecOptions) (*specs.Process, error) {
	p := *m.Spec.Process
	p.Args, p.Terminal = o.Args, o.TTY
	if len(o.Args) == 0 {
		return nil, failf("no command: name one after the container")
	}
	if o.Workdir != "" {
		if !strings.HasPrefix(o.Workdir, "/") {
			return nil, failf("the working directory %q is not absolute", o.Workdir)
		}
		p.Cwd = o.Workdir
	}
	p.Env = slices.Clone(p.Env)
	if o.TTY {
		p.Env = setEnv(p.Env, "TERM=xterm")
	}
	if o.User != "" {
		if err := m.execUser(&p, o.User); err != nil {
			return nil, failf("%w", err)
		}
	}
	for _, e := range o.Env {
		p.Env = setEnv(p.Env, e)
	}
	m.execCapabilities(&p, o.Privileged)
	return &p, nil
}

// execUser looks the user up in the container as it is now.
func (m *monitor) execUser(p *specs.Process, asked string) error {
	root := fmt.Sprintf("/proc/%d/root", m.init.Pid)
	host := spec.Host{Open: func(path string) (io.ReadCloser, error) { return openIn(root, path) }}
	var err error
	if host.UIDs, err = idMap("/proc/self/uid_map"); err != nil {
		return err
	}
	if host.GIDs, err = idMap("/proc/self/gid_map"); err != nil {
		return err
	}
	id, err := spec.IdentityOf(host, asked)
	if err != nil {
		return err
	}
	p.User.UID, p.User.GID, p.User.AdditionalGids = id.UID, id.GID, id.Groups
	p.Env = setEnv(p.Env, "HOME="+id.Home)
	return nil
}

// execCapabilities gives root the container's capabilities, and others none,
// as execve(2) would.
func (m *monitor) execCapabilities(p *specs.Process, privileged bool) {
	caps := *p.Capabilities
	if privileged {
		caps.Bounding = spec.CapabilityNames()
	}
	caps.Effective, caps.Permitted = nil, nil
	if p.User.UID == 0 {
		caps.Effective, caps.Permitted = caps.Bounding, caps.Bounding
	}
	p.Capabilities = &caps
}

// executed is a process that exec has started.
type executed struct {
	process *os.Process
	outer   []*os.File // the terminal's outer side, for the command
}

// forkExec starts the process, from the main thread.
func (m *monitor) forkExec(p *specs.Process, files []*os.File, o ExecOptions) (e executed, err error) {
	b := boot.Exec{Process: p, Flags: joinFlags(m.Spec), KeepGroups: m.facts.KeepGroups}
	if !o.Privileged {
		if b.Filter, err = filterOf(m.Spec); err != nil {
			return e, failf("seccomp: %w", err)
		}
	}
	if b.Container, err = unix.PidfdOpen(m.init.Pid, 0); err != nil {
		return e, failf("%w", ErrNotRunning)
	}
	defer unix.Close(b.Container)
	var console launch
	undo := new(cleanup)
	defer undo.run()
	undo.add(func() { closeAll(console.child) })
	if b.Stdio, err = execStdio(&console, undo, files, o); err != nil {
		return e, err
	}
	done := make(chan error, 1)
	start := func() {
		child, err := fork.Start(b.Program(), fork.Options{Cgroup: m.groupFD()})
		if err == nil {
			e.process, err = m.awaitExec(child, p.Args[0])
		}
		done <- err
	}
	select {
	case m.forks <- start:
		err = <-done
	case <-m.ended:
		err = failf("%w", ErrNotRunning)
	}
	if err == nil && o.TTY {
		master, received := receiveTerminal(console.console)
		if err = received; err == nil {
			setSize(master, o.Size)
			e.outer = []*os.File{master}
		}
	}
	return e, err
}

// execStdio chooses where the process's streams come from.
func execStdio(console *launch, undo *cleanup, files []*os.File, o ExecOptions) (boot.Stdio, error) {
	if o.TTY {
		err := console.openConsole(undo)
		return console.Stdio, err
	}
	if len(files) == 3 {
		return boot.Stdio{In: int(files[0].Fd()), Out: int(files[1].Fd()), Err: int(files[2].Fd())}, nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return boot.Stdio{}, err
	}
	undo.add(func() { null.Close() })
	fd := int(null.Fd())
	return boot.Stdio{In: fd, Out: fd, Err: fd}, nil
}

// awaitExec waits for the second child to execute the command.
func (m *monitor) awaitExec(child *fork.Process, name string) (*os.Process, error) {
	pid, err := child.Report()
	if err == nil {
		err = child.Wait()
	}
	unix.Wait4(child.PID, nil, 0, nil)
	if err != nil {
		if pid > 0 {
			unix.Wait4(pid, nil, 0, nil)
		}
		return nil, explainExec(err, name)
	}
	return os.FindProcess(pid)
}

func (e executed) wait() int {
	state, err := e.process.Wait()
	if err != nil {
		return CodeFailed
	}
	return exitCode(state.Sys().(syscall.WaitStatus))
}

// joinFlags are the namespaces that the container does not share with the host.
func joinFlags(s *specs.Spec) uint64 {
	flags := boot.Flags(s)
	facts, err := spec.FactsOf(s)
	if err != nil {
		return flags
	}
	for kind := range facts.Join {
		flags |= boot.Flags(&specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: kind}}}})
	}
	return flags
}

// setEnv replaces or adds a variable; "NAME" alone removes it.
func setEnv(env []string, entry string) []string {
	name, _, hasValue := strings.Cut(entry, "=")
	env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	if !hasValue {
		return env
	}
	return append(env, entry)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
