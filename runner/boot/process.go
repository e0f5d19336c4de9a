package boot

import (
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/runner/spec"
)

// Filter is a seccomp filter; without a program there is none.
type Filter struct {
	Program []unix.SockFilter
	Flags   uint // of seccomp(2)
}

// process is who a child becomes.
type process struct {
	*specs.Process
	filter     Filter
	keepGroups bool
	ready      int  // descriptor that is still needed, 0 for none
	sockets    int  // how many descriptors from 3 on are the command's
	later      bool // the container runs already: its folders are not made
}

// become drops the child to the container's limits, user and capabilities.
// Without no_new_privs a seccomp filter needs CAP_SYS_ADMIN and has to come
// before that is dropped; with it the filter comes last, and never sees these
// steps.
func (b *builder) become(p process) {
	b.signals()
	// Keys of the caller's session are not the container's business; kernels
	// and outer filters without keyctl(2) have none to hand on.
	b.Call("join a new keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, nil, 0, 0, 0).Allow()
	b.limits(p.Process)
	// The paths that follow are the image's: one below /proc/self/fd must not
	// lead through a descriptor of the monitor's to the host (CVE-2024-21626).
	b.CloseAllBut("close the monitor's descriptors", firstSocket+p.sockets, b.root, b.exe, p.ready)
	if p.later {
		b.open(workdirStep+p.Cwd, p.Cwd, unix.O_PATH|unix.O_DIRECTORY).Save(b.target)
		b.Call(workdirStep+p.Cwd, unix.SYS_FCHDIR, b.target)
	} else {
		b.workdir(p.Cwd)
	}
	if !p.NoNewPrivileges {
		b.seccomp(p.filter)
	}
	b.user(p)
	if p.NoNewPrivileges {
		b.Call("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		b.seccomp(p.filter)
	}
	b.Call("hide descriptors", unix.SYS_CLOSE_RANGE, firstSocket+p.sockets, int(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}

// signals gives the process the dispositions and the mask that programs
// expect. What the monitor's own start ignored, nohup's SIGHUP for example, is
// not the container's business.
func (b *builder) signals() {
	b.ResetSignals("reset signals")
	b.Call("unblock signals", unix.SYS_RT_SIGPROCMASK, 2 /* SIG_SETMASK */, make([]byte, 8), nil, 8)
}

func (b *builder) limits(p *specs.Process) {
	for _, l := range p.Rlimits {
		limit := &unix.Rlimit{Cur: l.Soft, Max: l.Hard}
		b.Call("set ulimit "+l.Type, unix.SYS_PRLIMIT64, 0, spec.RlimitNumber(l.Type), fork.Pointer(limit), 0)
	}
	if p.OOMScoreAdj != nil {
		value := strconv.Itoa(*p.OOMScoreAdj)
		b.Call("set the OOM score", unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0).Save(b.fs)
		b.Call("set the OOM score", unix.SYS_WRITE, b.fs, []byte(value), len(value))
	}
}

func (b *builder) seccomp(f Filter) {
	if len(f.Program) == 0 {
		return
	}
	b.Pin(f.Program)
	program := &unix.SockFprog{Len: uint16(len(f.Program)), Filter: &f.Program[0]}
	b.Call("load the seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, int(f.Flags), fork.Pointer(program))
}

// workdir enters the working folder and makes it where it is missing, through
// no link of /proc.
func (b *builder) workdir(dir string) {
	b.find(dir, false)
	b.Call("enter "+dir, unix.SYS_FCHDIR, b.target)
}

// shield keeps processes in the container from tracing the child or looking at
// its memory and descriptors, as they could once it has no more capabilities
// than they have. It ends with execve(2).
func (b *builder) shield() {
	b.Call("shield from others", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// user sets groups, ids and capabilities, in the only order that works.
func (b *builder) user(p process) {
	caps := p.Capabilities
	for number, name := range spec.CapabilityNames() {
		if !slices.Contains(caps.Bounding, name) {
			// Numbers that this kernel does not know are not there to drop.
			b.Call("drop "+name, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, number, 0, 0, 0).Allow(unix.EINVAL)
		}
	}
	b.Call("keep capabilities", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	if !p.keepGroups {
		groups := append([]uint32{}, p.User.AdditionalGids...)
		b.Pin(groups)
		var list any
		if len(groups) > 0 {
			list = fork.Pointer(&groups[0])
		}
		// With a single id, setgroups(2) is forbidden and there is nothing to drop.
		b.Call("set groups", unix.SYS_SETGROUPS, len(groups), list).Allow(unix.EPERM)
	}
	gid, uid := int(p.User.GID), int(p.User.UID)
	b.Call("set the group id "+strconv.Itoa(gid), unix.SYS_SETRESGID, gid, gid, gid)
	b.Call("set the user id "+strconv.Itoa(uid), unix.SYS_SETRESUID, uid, uid, uid)
	b.Call("forget to keep capabilities", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0, 0, 0, 0)
	if p.User.Umask != nil {
		b.Call("set the umask", unix.SYS_UMASK, int(*p.User.Umask))
	}
	b.capset(caps)
	for _, name := range caps.Ambient {
		b.Call("raise "+name, unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, spec.CapabilityNumber(name), 0, 0)
	}
	b.Call("die with the monitor", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
}

func (b *builder) capset(caps *specs.LinuxCapabilities) {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := new([2]unix.CapUserData)
	for _, set := range []struct {
		names []string
		words [2]*uint32
	}{
		{caps.Effective, [2]*uint32{&data[0].Effective, &data[1].Effective}},
		{caps.Permitted, [2]*uint32{&data[0].Permitted, &data[1].Permitted}},
		{caps.Inheritable, [2]*uint32{&data[0].Inheritable, &data[1].Inheritable}},
	} {
		for _, name := range set.names {
			number := spec.CapabilityNumber(name)
			*set.words[number/32] |= 1 << (number % 32)
		}
	}
	b.Call("set capabilities", unix.SYS_CAPSET, fork.Pointer(header), fork.Pointer(data))
}

// command executes the process, found through PATH as a shell would.
func (b *builder) command(p *specs.Process) {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		b.Call(executeStep+name, unix.SYS_EXECVE, name, p.Args, p.Env)
		return
	}
	for _, dir := range strings.Split(pathOf(p.Env), ":") {
		b.Call(executeStep+name, unix.SYS_EXECVE, path.Join("/", dir, name), p.Args, p.Env).
			Allow(unix.ENOENT, unix.ENOTDIR, unix.EACCES).Reported()
	}
	b.Fail(executeStep+name, unix.ENOENT)
}

// reaper executes rl itself as first process; that executes the command.
func (b *builder) reaper(args []string, p *specs.Process) {
	b.Call(executeStep+"rl", unix.SYS_EXECVEAT, b.exe, "", append(args, p.Args...), p.Env, unix.AT_EMPTY_PATH)
}

const executeStep = "execute "

// IsExecute reports whether a failed step was that of executing the command:
// everything around it had been set up.
func IsExecute(step string) bool { return strings.HasPrefix(step, executeStep) }

const workdirStep = "enter the working folder "

// IsWorkdir reports whether a failed step was that of entering the working
// folder of a process in a container that runs already.
func IsWorkdir(step string) bool { return strings.HasPrefix(step, workdirStep) }

func pathOf(env []string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok && value != "" {
			return value
		}
	}
	return spec.DefaultPath
}
