package boot

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
)

// Exec describes one more process in a running container.
type Exec struct {
	Process *specs.Process
	Stdio   Stdio
	// Container is a descriptor of the container's first process (pidfd_open(2)),
	// and Flags the namespaces of it to enter.
	Container  int
	Flags      uint64
	Filter     Filter // the container's
	KeepGroups bool
}

// Program lists the steps from the fork to the command. A pid namespace takes
// only new processes in (setns(2)), so the child clones once more and reports
// the process id of that second child, which is a child of the caller too.
func (e Exec) Program() *fork.Program {
	b := newBuilder()
	pid := b.NewSlot()
	var parent fork.Label
	b.shield()
	b.Call("enter the container", unix.SYS_SETNS, e.Container, e.Flags)
	b.Call("set the umask", unix.SYS_UMASK, 0o022)
	b.Call("fork", unix.SYS_CLONE, unix.CLONE_PARENT|int(unix.SIGCHLD), 0, 0, 0, 0).Save(pid).IfNonZero(&parent)
	b.Call("open the root", unix.SYS_OPENAT, unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0).Save(b.root)
	b.stdio(e.Stdio, e.Process, false)
	b.become(process{e.Process, e.Filter, e.KeepGroups, 0, 0, true})
	b.command(e.Process)
	b.Mark(&parent)
	b.Report("process id", pid)
	b.Exit()
	return b.Program
}
