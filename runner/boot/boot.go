// Package boot turns an OCI runtime-spec value into the list of system calls
// by which a forked child becomes the container's first process ([Init]), or
// one more process in it ([Exec]).
//
// Everything that can be decided is decided here, before the fork. The child
// only executes the list, in rl's user namespace and with every capability in
// it, until near the end it drops what the container may not have.
package boot

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/spec"
)

// Descriptors that steps refer to by number, because the kernel takes them
// inside a structure or a text; above any that the program needs otherwise.
const (
	masterFD = 220
	fuseFD   = 221
	readyFD  = 222
	rootFD   = 223
	exeFD    = 224
	// FirstHigh is the lowest number of descriptors that are handed to containers.
	FirstHigh = 225
)

// Stdio is where a process's standard descriptors come from.
type Stdio struct {
	// In, Out and Err are the child's ends of pipes or files.
	In, Out, Err int
	// Console, for a process with a terminal, is a socket over which the child
	// sends the descriptor of its terminal's other side. In, Out and Err are
	// not used then.
	Console int
}

// Init describes the first process of a container.
type Init struct {
	Spec  *specs.Spec
	Stdio Stdio
	// Root is the mount point of the root file system: an existing empty folder.
	Root string
	// Mount is how the root file system gets there.
	Mount RootMount
	// Joins are descriptors of other containers' namespaces to enter, and
	// JoinPID, if not 0, of a pid namespace.
	Joins   []int
	JoinPID int
	// Ready is the read end of a pipe that yields a byte once the parent has
	// arranged what needs the child's process id (ids, network, limits).
	// Sync is its write end, which the child must not keep open, and the parent
	// must until the command is executed: to the child it means that the parent
	// lives.
	Ready, Sync int
	// Mapped, if not 0, is such a pipe too, for the ids of a new user namespace.
	Mapped, MappedSync int
	// Hooks, if not 0, is a socket on which the child says that everything is
	// mounted, and waits for a byte before it enters its root; HooksSync is the
	// parent's end of it, which the child must not keep open.
	Hooks, HooksSync int
	Filter           Filter
	// Trees are descriptors of detached mounts (open_tree(2)) for bind mounts
	// whose source is out of the child's reach, by where they are mounted. Each
	// can be mounted once.
	Trees map[string]int
	// Sockets are descriptors, of FirstHigh and above, which the command gets as
	// 3, 4 and so on (sd_listen_fds(3)).
	Sockets []int
	// Reaper runs the command below this program (rl itself, as `init`), which
	// reaps and forwards signals.
	Reaper []string
	// KeepGroups leaves the caller's supplementary groups.
	KeepGroups bool
}

// RootMount is how a container's root file system is mounted.
type RootMount struct {
	// Folder becomes the current folder for the mount, as Options may be relative to it.
	Folder string
	// Options are those of overlayfs.
	Options string
	// FUSE, if not 0, is a socket over which the child sends the /dev/fuse that
	// it is about to mount, for a server outside to answer. The child opens it
	// because the kernel wants it opened in the user namespace that mounts.
	FUSE int
	// Bind, if not empty, is a folder to use as it is.
	Bind string
}

// builder adds steps to a program, with the slots they share.
type builder struct {
	*fork.Program
	root          fork.Slot // the root file system
	target        fork.Slot // a path being looked up
	mount, fs     fork.Slot // a detached mount, and a file system being configured
	master, slave fork.Slot
	exe           fork.Slot
}

// usual is how many steps it takes to start a container of an ordinary image.
const usual = 260

func newBuilder() *builder {
	b := &builder{Program: new(fork.Program)}
	b.Grow(usual)
	for _, slot := range []*fork.Slot{&b.root, &b.target, &b.mount, &b.fs, &b.master, &b.slave, &b.exe} {
		*slot = b.NewSlot()
	}
	return b
}

// Flags are the namespaces that the child is cloned into.
func Flags(s *specs.Spec) uint64 {
	kinds := map[specs.LinuxNamespaceType]uint64{
		specs.MountNamespace: unix.CLONE_NEWNS, specs.PIDNamespace: unix.CLONE_NEWPID,
		specs.UTSNamespace: unix.CLONE_NEWUTS, specs.IPCNamespace: unix.CLONE_NEWIPC,
		specs.NetworkNamespace: unix.CLONE_NEWNET, specs.CgroupNamespace: unix.CLONE_NEWCGROUP,
		specs.UserNamespace: unix.CLONE_NEWUSER,
	}
	var flags uint64
	for _, ns := range s.Linux.Namespaces {
		if ns.Path == "" {
			flags |= kinds[ns.Type]
		}
	}
	return flags
}

// Program lists the steps from the fork to the command.
func (in Init) Program() *fork.Program {
	b := newBuilder()
	var parent fork.Label
	pid := b.NewSlot()
	b.shield()
	if in.JoinPID != 0 {
		// A pid namespace takes only new processes in: clone once more.
		b.Call("join another container's processes", unix.SYS_SETNS, in.JoinPID, int(unix.CLONE_NEWPID))
		b.Call("fork", unix.SYS_CLONE, unix.CLONE_PARENT|int(unix.SIGCHLD)|int(Flags(in.Spec)), 0, 0, 0, 0).Save(pid).IfNonZero(&parent)
	}
	b.begin(in)
	b.sysctls(in.Spec.Linux.Sysctl)
	b.loopback(in.Spec)
	b.mountRoot(in)
	for _, m := range in.Spec.Mounts {
		b.mountEntry(m, in.Trees)
	}
	b.devLinks()
	b.hooks(in)
	b.hidePaths(in.Spec.Linux)
	b.enterRoot(in.Spec)
	b.names(in.Spec)
	b.stdio(in.Stdio, in.Spec.Process, true)
	ready := b.sockets(in)
	b.become(process{in.Spec.Process, in.Filter, in.KeepGroups, ready, len(in.Sockets), false})
	// Last, because from here on death signals work: a monitor that died
	// before is noticed here, and one that dies later kills the container. It
	// may have died after it wrote the byte, so the other end is looked at too.
	b.Call("wait for the monitor", unix.SYS_READ, ready, make([]byte, 1), 1).Positive()
	var gone fork.Label
	poll := &unix.PollFd{Fd: int32(ready)}
	b.Call("see that the monitor lives", unix.SYS_PPOLL, fork.Pointer(poll), 1, fork.Pointer(new(unix.Timespec)), nil, 0).IfNonZero(&gone)
	if in.Reaper != nil {
		b.reaper(in.Reaper, in.Spec.Process)
	} else {
		b.command(in.Spec.Process)
	}
	b.Mark(&gone)
	b.Fail("see that the monitor lives", unix.EPIPE)
	b.Mark(&parent)
	if in.JoinPID != 0 {
		b.Report("process id", pid)
		b.Exit()
	}
	return b.Program
}

// CloneFlags are the namespaces that the first child is cloned into.
func (in Init) CloneFlags() uint64 {
	if in.JoinPID != 0 {
		return 0 // the second child is
	}
	return Flags(in.Spec)
}

// begin ties the child to its parent, enters namespaces of other containers,
// and cuts mounts off from the host's.
func (b *builder) begin(in Init) {
	b.Call("close the parent's end", unix.SYS_CLOSE, in.Sync)
	if in.Hooks != 0 {
		b.Call("close the parent's end", unix.SYS_CLOSE, in.HooksSync)
	}
	b.Call("set the umask", unix.SYS_UMASK, 0o022)
	if in.Mapped != 0 {
		b.Call("close the parent's end", unix.SYS_CLOSE, in.MappedSync)
		b.Call("wait for ids", unix.SYS_READ, in.Mapped, make([]byte, 1), 1).Positive()
		// What is made from here on belongs to the container's root.
		uid, gid := Owner(in.Spec)
		b.Call("become the first group", unix.SYS_SETRESGID, gid, gid, gid)
		b.Call("become the first user", unix.SYS_SETRESUID, uid, uid, uid)
	}
	for _, fd := range in.Joins {
		b.Call("join another container's namespace", unix.SYS_SETNS, fd, 0)
	}
	if in.Reaper != nil {
		b.Call("open rl", unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0).Save(b.exe)
	}
	b.Call("cut mounts off from the host", unix.SYS_MOUNT, "none", "/", nil, unix.MS_REC|unix.MS_SLAVE, nil)
}

// hooks lets the parent run programs of the host's that see the container's
// mounts.
func (b *builder) hooks(in Init) {
	if in.Hooks == 0 {
		return
	}
	b.Call("tell that all is mounted", unix.SYS_WRITE, in.Hooks, []byte{1}, 1)
	b.Call("wait for the hooks", unix.SYS_READ, in.Hooks, make([]byte, 1), 1).Positive()
}

// Owner returns the ids of who owns what is made for a container: its root, or the
// only one in it, which keep-id makes another than root where there is but one id.
func Owner(s *specs.Spec) (uid, gid int) {
	only := func(ids []specs.LinuxIDMapping) int {
		if len(ids) == 1 && ids[0].Size == 1 {
			return int(ids[0].ContainerID)
		}
		return 0
	}
	return only(s.Linux.UIDMappings), only(s.Linux.GIDMappings)
}

// enterRoot makes the new root file system the only one.
func (b *builder) enterRoot(s *specs.Spec) {
	if s.Root.Readonly {
		b.setAttr("make the root read-only", b.root, 0, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	b.Call("enter the root", unix.SYS_FCHDIR, b.root)
	b.Call("pivot_root", unix.SYS_PIVOT_ROOT, ".", ".")
	b.Call("leave the host's files", unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	b.Call("enter the new root", unix.SYS_CHDIR, "/")
}

func (b *builder) names(s *specs.Spec) {
	if s.Hostname != "" && Flags(s)&unix.CLONE_NEWUTS != 0 {
		b.Call("set the host name", unix.SYS_SETHOSTNAME, s.Hostname, len(s.Hostname))
	}
	if s.Domainname != "" && Flags(s)&unix.CLONE_NEWUTS != 0 {
		b.Call("set the domain name", unix.SYS_SETDOMAINNAME, s.Domainname, len(s.Domainname))
	}
}

// sysctls writes kernel parameters of the container's own namespaces, through
// the host's /proc: the container's will be read-only.
func (b *builder) sysctls(values map[string]string) {
	for key, value := range values {
		path := "/proc/sys/" + spec.SysctlFile(key)
		b.Call("set sysctl "+key, unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CLOEXEC, 0).Save(b.fs)
		b.Call("set sysctl "+key, unix.SYS_WRITE, b.fs, []byte(value), len(value))
	}
}

// loopback switches the interface lo of a new network namespace on.
func (b *builder) loopback(s *specs.Spec) {
	if Flags(s)&unix.CLONE_NEWNET == 0 {
		return
	}
	request, _ := unix.NewIfreq("lo") // fails for long names only
	request.SetUint16(unix.IFF_UP)
	b.Call("switch on lo", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).Save(b.fs)
	b.Call("switch on lo", unix.SYS_IOCTL, b.fs, unix.SIOCSIFFLAGS, fork.Pointer(request))
}
