package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// keepMounts holds on to the mount namespace of a container whose processes nothing
// else tells from others': it has no pid namespace of its own, nor a control group.
func (m *monitor) keepMounts(pid int) {
	if m.group != nil || pidNamespace(m.Spec) {
		return
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid)); err == nil {
		m.mounts = f
	}
}

// killOthers ends what outlives the first process of a container without a pid
// namespace of its own.
func (m *monitor) killOthers() {
	if m.group != nil {
		m.group.Kill()
		return
	}
	if m.mounts == nil {
		return
	}
	defer m.mounts.Close()
	own, err := m.mounts.Stat()
	if err != nil {
		return
	}
	// A process may start another while it is looked for.
	for end := time.Now().Add(outputTime); killIn(own) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// killIn kills the processes in a mount namespace, and reports whether there were any.
func killIn(namespace os.FileInfo) (found bool) {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/mnt")
	for _, link := range links {
		if info, err := os.Stat(link); err != nil || !os.SameFile(info, namespace) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link)))); err == nil {
			unix.Kill(pid, unix.SIGKILL)
			found = true
		}
	}
	return found
}
