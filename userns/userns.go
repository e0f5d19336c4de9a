// Package userns creates and enters the one user namespace that all of a
// person's containers live in.
//
// Networks, pid and ipc namespaces can be shared between containers only within
// one user namespace, because capabilities over them come from the user
// namespace that owns them (user_namespaces(7)). So the first command makes it
// and later ones join. A tiny process, the holder, keeps it alive; should the
// holder be killed, any other process of rl in the namespace leads back to it.
//
// Everything here is called outside the namespace unless it says otherwise.
package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/idmap"
	"github.com/rl-project/rl/internal/process"
)

// Namespace is the person's user namespace, held open.
type Namespace struct {
	file   *os.File
	UIDs   []Mapping // as /proc/PID/uid_map reads from outside
	GIDs   []Mapping
	places dirs.Dirs
}

// Options for Open.
type Options struct {
	// Adopt is called with the process id of a new holder, to move it out of
	// the session or service that happened to create it, so that it outlives
	// them. An error is not fatal: the namespace then lives as long as they do.
	Adopt func(pid int) error
	// Warn is told, in one line, what will not work in a new namespace.
	Warn func(line string)
}

// Open joins the person's namespace, or creates it.
func Open(places dirs.Dirs, o Options) (*Namespace, error) {
	if ns := recall(places); ns != nil {
		return ns, nil
	}
	lock, err := lockFile(filepath.Join(places.Runtime, "userns.lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if ns := recall(places); ns != nil {
		return ns, nil
	}
	if pid := search(places); pid != 0 {
		if ns, err := open(places, pid); err == nil {
			err := remember(places, pid)
			if errors.Is(err, os.ErrNotExist) {
				err = nil // it has just ended: the next command looks for another
			}
			return ns, err
		}
	}
	return create(places, o)
}

// Passing makes a namespace for the calling process and its children alone, for a
// command that is to leave nothing behind: nobody keeps it alive, and no other command
// finds it. What is started there has the folders of places.Passing.
func Passing(places dirs.Dirs) (*Namespace, error) {
	runtime.LockOSThread() // whose end is the holder's
	defer runtime.UnlockOSThread()
	places = places.Passing()
	ns, holder, err := begin(places, Options{})
	if err != nil {
		return nil, err
	}
	unix.Kill(holder, unix.SIGKILL) // the open namespace stays
	unix.Wait4(holder, nil, 0, nil)
	return ns, nil
}

// Places are the folders of what is started in the namespace.
func (n *Namespace) Places() dirs.Dirs { return n.places }

// Existing joins the person's namespace if its holder lives, and returns nil
// otherwise. It makes nothing.
func Existing(places dirs.Dirs) *Namespace { return recall(places) }

// Close lets go of the namespace, which goes on existing.
func (n *Namespace) Close() error { return n.file.Close() }

// holderFile keeps the holder's process id and start time.
func holderFile(places dirs.Dirs) string { return filepath.Join(places.Runtime, "holder") }

// recall opens the namespace of the holder that was written down, or returns
// nil when there is none, or it is no longer that process.
func recall(places dirs.Dirs) *Namespace {
	data, err := os.ReadFile(holderFile(places))
	if err != nil {
		return nil
	}
	word, start, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(word)
	if err != nil {
		return nil
	}
	ns, err := open(places, pid)
	if err != nil {
		return nil
	}
	if !(process.ID{PID: pid, Start: start}).Alive() {
		ns.Close()
		return nil
	}
	return ns
}

// remember writes down a process that keeps the namespace alive.
func remember(places dirs.Dirs, pid int) error {
	id, err := process.Identify(pid)
	if err != nil {
		return err
	}
	temporary := holderFile(places) + ".new"
	if err := os.WriteFile(temporary, fmt.Appendf(nil, "%d %s\n", id.PID, id.Start), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, holderFile(places))
}

// open opens the user namespace of pid and checks that it is the person's own.
func open(places dirs.Dirs, pid int) (*Namespace, error) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	file, err := os.Open(filepath.Join(proc, "ns/user"))
	if err != nil {
		return nil, err
	}
	n := &Namespace{file: file, places: places}
	owner, err := unix.IoctlGetUint32(int(file.Fd()), unix.NS_GET_OWNER_UID)
	if err == nil && int(owner) != places.UID {
		err = fmt.Errorf("user namespace of process %d belongs to user id %d", pid, owner)
	}
	if err == nil {
		n.UIDs, err = idmap.Read(filepath.Join(proc, "uid_map"))
	}
	if err == nil {
		n.GIDs, err = idmap.Read(filepath.Join(proc, "gid_map"))
	}
	if err == nil && len(n.UIDs) == 0 {
		err = errors.New("user namespace without a map")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return n, nil
}

// search looks for any live process of rl that serves the same folders and
// lives in a user namespace right below this one. A container, whose image can
// set any variable, may have made one of its own further down.
func search(places dirs.Dirs) int {
	entries, _ := os.ReadDir("/proc")
	mark := "\x00" + places.Environ()[0] + "\x00"
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !strings.Contains("\x00"+string(environ), mark) {
			continue
		}
		proc := "/proc/" + e.Name()
		if belowOurs(proc+"/ns/user") && sameFolder(proc+"/root"+places.Runtime, places.Runtime) {
			return pid
		}
	}
	return 0
}

// sameFolder tells two folders of one name in different mount namespaces apart:
// root's are called the same in each of them.
func sameFolder(theirs, ours string) bool {
	there, err := os.Stat(theirs)
	here, ownErr := os.Stat(ours)
	return err == nil && ownErr == nil && os.SameFile(there, here)
}

// belowOurs reports whether the user namespace at path has that of this
// process for its parent (ioctl_ns(2)).
func belowOurs(path string) bool {
	theirs, err := os.Open(path)
	if err != nil {
		return false
	}
	defer theirs.Close()
	fd, err := unix.IoctlRetInt(int(theirs.Fd()), unix.NS_GET_PARENT)
	if err != nil {
		return false
	}
	parent := os.NewFile(uintptr(fd), path)
	defer parent.Close()
	there, err := parent.Stat()
	own, ownErr := os.Stat("/proc/self/ns/user")
	return err == nil && ownErr == nil && os.SameFile(there, own)
}

// lockFile takes an exclusive lock that ends with this process at the latest.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}
