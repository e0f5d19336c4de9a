package netd

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace with a thread that lives in it. Whatever
// makes sockets or changes sysctls there runs on that thread.
type namespace struct {
	file  *os.File
	calls chan func()
}

// newNamespace makes a network namespace, owned by the user namespace that
// this process is in; or, given one, takes that.
func newNamespace(existing *os.File) (*namespace, error) {
	ns := &namespace{calls: make(chan func())}
	started := make(chan error)
	go ns.live(existing, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return ns, nil
}

// live is the thread. The lock is never given back: when the function returns,
// the runtime ends the thread instead of using it for other goroutines.
func (ns *namespace) live(existing *os.File, started chan<- error) {
	runtime.LockOSThread()
	if err := ns.enter(existing); err != nil {
		started <- err
		return
	}
	started <- nil
	for call := range ns.calls {
		call()
	}
}

func (ns *namespace) enter(existing *os.File) error {
	if existing == nil {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
	} else if err := unix.Setns(int(existing.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("joining the bridge's network namespace: %w", err)
	}
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	ns.file = f
	return nil
}

// do runs f on the namespace's thread. f must not block.
func (ns *namespace) do(f func() error) error {
	result := make(chan error)
	ns.calls <- func() { result <- f() }
	return <-result
}

// handle returns a netlink handle for the namespace, usable from any thread.
func (ns *namespace) handle() (h *netlink.Handle, err error) {
	err = ns.do(func() error {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	return h, err
}

// handleOf returns a netlink handle for another namespace, see within.
func (ns *namespace) handleOf(other *os.File) (h *netlink.Handle, err error) {
	err = ns.within(other, func() error {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	return h, err
}

// within runs f on the namespace's thread, but in another namespace of the same
// user namespace, such as a container's. f must not block.
func (ns *namespace) within(other *os.File, f func() error) error {
	return ns.do(func() error {
		if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("joining the container's network namespace: %w", err)
		}
		err := f()
		if back := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); back != nil {
			panic("a thread is stuck in a container's network namespace: " + back.Error())
		}
		return err
	})
}

// close ends the thread. The namespace lives on as long as others hold it.
func (ns *namespace) close() {
	close(ns.calls)
	ns.file.Close()
}

// setSysctl writes /proc/sys/net/... as seen from the namespace, unless it says
// so already: inside other containers /proc/sys is often read-only.
func (ns *namespace) setSysctl(path, value string) error {
	return ns.do(func() error {
		path := filepath.Join("/proc/sys/net", path)
		if now, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == value {
			return nil
		}
		return os.WriteFile(path, []byte(value), 0)
	})
}
