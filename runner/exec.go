package runner

import (
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
)

// exec runs one more process in the container. Its standard descriptors are
// the command's own, which came with the request, so that no data passes
// through the monitor; a terminal's outer side goes back to the command.
func (m *monitor) exec(w *wire, o ExecOptions) {
	files := w.files()
	defer func() { closeAll(files) }()
	l, err := m.present()
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	p, err := m.execProcess(l, o)
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	e, err := m.forkExec(l, p, files, o)
	record := m.execRecorder(p.Args)
	record(err)
	if err != nil {
		w.sendJSON(frameReply, replyOf(err))
		return
	}
	closeAll(files)
	files = nil
	w.sendJSON(frameReply, Reply{ID: m.ID}, e.outer...)
	closeAll(e.outer)
	code := e.wait()
	record(&StartError{Code: code})
	w.sendJSON(frameExit, Exit{Code: code})
}

// execProcess describes the process. Users are looked up in the container as it
// is now.
func (m *monitor) execProcess(l *life, o ExecOptions) (*specs.Process, error) {
	host, err := spec.LocalHost()
	if err != nil {
		return nil, err
	}
	host.UIDs, host.GIDs = m.Spec.Linux.UIDMappings, m.Spec.Linux.GIDMappings
	if host.UIDs == nil {
		if host.UIDs, host.GIDs, err = ownMaps(); err != nil {
			return nil, err
		}
	}
	root := fmt.Sprintf("/proc/%d/root", l.init.PID)
	host.Open = func(path string) (io.ReadCloser, error) { return openRegular(root, path) }
	p, err := spec.Exec(o.ExecOptions, m.Spec, host)
	if err != nil {
		return nil, failf("%w", err)
	}
	return p, nil
}

// executed is a process that exec has started.
type executed struct {
	process *process.Child
	outer   []*os.File // the terminal's outer side, for the command
}

// forkExec starts the process, from the main thread.
func (m *monitor) forkExec(l *life, p *specs.Process, files []*os.File, o ExecOptions) (e executed, err error) {
	m.pausing.RLock()
	defer m.pausing.RUnlock()
	if err := m.checkPaused(l); err != nil {
		return e, failf("%w", err)
	}
	b := boot.Exec{Process: p, Flags: joinFlags(m.Spec), KeepGroups: m.facts.KeepGroups}
	if !o.Privileged {
		if b.Filter, err = filterOf(m.Spec); err != nil {
			return e, failf("seccomp: %w", err)
		}
	}
	if b.Container, err = unix.PidfdOpen(l.init.PID, 0); err != nil {
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
		child, err := l.forkInto(b.Program())
		if err == nil {
			e.process, err = m.awaitExec(child, p.Args[0])
		}
		done <- err
	}
	select {
	case m.forks <- start:
		err = <-done
	case <-l.ended:
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

// forkInto starts a program in the container's group. That takes no processes
// once an init system has made groups below it: then in the init system's own.
func (l *life) forkInto(p *fork.Program) (*fork.Process, error) {
	child, err := fork.Start(p, fork.Options{Cgroup: l.groupFD()})
	if !errors.Is(err, unix.EBUSY) {
		return child, err
	}
	group, err := cgroup2.Of(l.init.PID)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	return fork.Start(p, fork.Options{Cgroup: group.FD()})
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
func (m *monitor) awaitExec(child *fork.Process, name string) (*process.Child, error) {
	pid, err := child.Report()
	if err == nil {
		err = child.Wait()
	}
	unix.Wait4(child.PID, nil, 0, nil)
	if err != nil {
		if pid > 0 {
			unix.Wait4(pid, nil, 0, nil)
		}
		return nil, explain(err, name)
	}
	return &process.Child{PID: pid}, nil
}

func (e executed) wait() int {
	status, err := e.process.Wait()
	if err != nil {
		return CodeFailed
	}
	return exitCode(status)
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

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
