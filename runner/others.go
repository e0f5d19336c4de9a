package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rl-project/rl/internal/process"
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
	ctx, cancel := context.WithTimeout(context.Background(), outputTime)
	defer cancel()
	for killIn(ctx, own) && ctx.Err() == nil {
		// A process may have started another while it was looked for.
	}
}

// killIn kills the processes in a mount namespace, and reports whether there were any.
func killIn(ctx context.Context, namespace os.FileInfo) (found bool) {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/mnt")
	for _, link := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err != nil {
			continue
		}
		p, err := process.Identify(pid)
		if err != nil {
			continue // ended meanwhile
		}
		if info, err := os.Stat(link); err == nil && os.SameFile(info, namespace) {
			found = killAndWait(ctx, p) == nil || found
		}
	}
	return found
}
