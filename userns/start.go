package userns

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/fork"
	"github.com/rl-project/rl/internal/process"
)

// Command is a program to start in the namespace, as its user id 0 with every
// capability there. All other namespaces stay the caller's, unless Mounts.
type Command struct {
	Path  string // absolute; "" is the running program itself
	Args  []string
	Env   []string   // besides the caller's own and the folders' variables; these count before the caller's
	Dir   string     // "" for the caller's
	Files []*os.File // become descriptors 0, 1, 2, ...; nil is /dev/null
	// Session makes the process leader of a session of its own, out of reach
	// of the terminal's signals.
	Session bool
	// Mounts gives the process a mount namespace of its own. Mounts that the
	// host makes later appear in it, its own stay in it.
	Mounts bool
	// Sealed executes the running program from a mount that cannot be written
	// through, which takes Mounts and an empty Path. It is for a process that
	// forks into containers: there, /proc/PID/exe leads to the program's file,
	// and the container's root, who is the person, could overwrite it
	// (CVE-2019-5736).
	Sealed bool
	// DeathSignal is sent to the process when the calling thread ends.
	DeathSignal syscall.Signal
}

// firstFree is above every descriptor number that Files may ask for.
const firstFree = 64

// Start starts c in the namespace. The caller waits for the process.
func (n *Namespace) Start(c Command) (*process.Child, error) {
	begun, err := n.Begin(c)
	if err != nil {
		return nil, err
	}
	return begun.Started()
}

// Begun is a process that may still be entering the namespace.
type Begun struct {
	child *fork.Process
	name  string
}

// Begin is Start that does not wait until the process executes its program.
// Started, which does, has to be called. The descriptors in c may be closed.
func (n *Namespace) Begin(c Command) (*Begun, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if c.Sealed {
		if c.Path, err = ownPath(); err != nil {
			return nil, err
		}
	}
	child, err := fork.Start(n.steps(c, int(null.Fd())), fork.Options{})
	if err != nil {
		return nil, err
	}
	return &Begun{child, c.Args[0]}, nil
}

// Started returns the process once it executes its program.
func (b *Begun) Started() (*process.Child, error) {
	if err := b.child.Wait(); err != nil {
		unix.Wait4(b.child.PID, nil, 0, nil)
		return nil, fmt.Errorf("start %s in the user namespace: %w", b.name, err)
	}
	return &process.Child{PID: b.child.PID}, nil
}

// steps enters the namespace and becomes c. The program file is opened before
// the user id changes: root's own files may be closed to the container's root.
func (n *Namespace) steps(c Command, null int) *fork.Program {
	p := new(fork.Program)
	if c.Session {
		p.Call("start a session", unix.SYS_SETSID)
	}
	p.Call("enter the user namespace", unix.SYS_SETNS, int(n.file.Fd()), int(unix.CLONE_NEWUSER))
	if c.Mounts {
		p.Call("unshare mounts", unix.SYS_UNSHARE, int(unix.CLONE_NEWNS))
		p.Call("keep mounts to ourselves", unix.SYS_MOUNT, "none", "/", nil, unix.MS_REC|unix.MS_SLAVE, nil)
	}
	path := c.Path
	if path == "" {
		path = "/proc/self/exe"
	}
	program := p.NewSlot()
	if c.Sealed {
		p.Call("open "+path, unix.SYS_OPEN_TREE, unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).Save(program)
		readOnly := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
		p.Call("seal "+path, unix.SYS_MOUNT_SETATTR, program, "", unix.AT_EMPTY_PATH, fork.Pointer(readOnly), int(unsafe.Sizeof(*readOnly)))
	} else {
		p.Call("open "+path, unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_PATH|unix.O_CLOEXEC, 0).Save(program)
	}
	if n.places.UID == 0 {
		p.Call("drop groups", unix.SYS_SETGROUPS, 0, nil)
	}
	p.Call("become group 0", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("become user 0", unix.SYS_SETRESUID, 0, 0, 0)
	if c.DeathSignal != 0 {
		p.Call("die with the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(c.DeathSignal), 0, 0, 0)
	}
	if c.Dir != "" {
		p.Call("change to "+c.Dir, unix.SYS_CHDIR, c.Dir)
	}
	placeFiles(p, c.Files, null)
	p.Call("execute "+path, unix.SYS_EXECVEAT, program, "", c.Args, n.environment(c.Env), unix.AT_EMPTY_PATH)
	return p
}

// ownPath returns where the running program's file is. A mount can be made of
// a path only, not of /proc/self/exe, so a program whose file was replaced has
// to be started anew.
func ownPath() (string, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return "", err
	}
	running, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(running, there) {
		return "", fmt.Errorf("the program was replaced while it ran (%s): run the command again", path)
	}
	return path, nil
}

// placeFiles moves files out of each other's way and then to 0, 1, 2, ...
func placeFiles(p *fork.Program, files []*os.File, null int) {
	moved := make([]fork.Slot, len(files))
	for i, f := range files {
		fd := null
		if f != nil {
			fd = int(f.Fd())
		}
		moved[i] = p.NewSlot()
		p.Call("move a descriptor", unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, firstFree).Save(moved[i])
	}
	p.Call("hide descriptors", unix.SYS_CLOSE_RANGE, 0, int(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	for i, slot := range moved {
		p.Call("place a descriptor", unix.SYS_DUP3, slot, i, 0)
	}
}

// environment adds variables to those of this process. A name must not be there
// twice: programs differ in which one they take. Root's own configuration is
// closed to the namespace, so nobody is to look for it.
func (n *Namespace) environment(added []string) []string {
	added = append(n.places.Environ(), added...)
	replaced := func(pair string) bool {
		name := pair[:strings.IndexByte(pair, '=')+1]
		if n.places.UID == 0 && name == "XDG_CONFIG_HOME=" {
			return true
		}
		return name != "" && slices.ContainsFunc(added, func(a string) bool { return strings.HasPrefix(a, name) })
	}
	return append(slices.DeleteFunc(os.Environ(), replaced), added...)
}
