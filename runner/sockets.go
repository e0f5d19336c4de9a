package runner

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/boot"
)

// Sockets are what systemd hands to a service that it starts when somebody
// connects (sd_listen_fds(3)): rl hands them on to the container's command.
type Sockets struct {
	Count int
	// Names are those of LISTEN_FDNAMES, separated by colons.
	Names string     `json:",omitempty"`
	Files []*os.File `json:"-"`
}

// keepSockets takes the sockets of a request for all lives of the container.
// Their numbers are out of the way of those that its command is to get.
func (m *monitor) keepSockets(s Sockets, files []*os.File) error {
	defer closeAll(files)
	if s.Count == 0 {
		return nil
	}
	if len(files) != s.Count || s.Count > boot.MaxSockets {
		return failf("%d sockets of systemd's came instead of %d", len(files), s.Count)
	}
	for _, f := range files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, boot.FirstHigh)
		if err != nil {
			return failf("take systemd's sockets: %w", os.NewSyscallError("fcntl", err))
		}
		m.sockets.Files = append(m.sockets.Files, os.NewFile(uintptr(fd), "socket"))
	}
	m.sockets.Count, m.sockets.Names = s.Count, s.Names
	return nil
}

// passSockets gives the sockets to the container's command, with the variables
// by which it finds them. They name its process id.
func (m *monitor) passSockets(l *launch) error {
	if m.sockets.Count == 0 {
		return nil
	}
	if !pidNamespace(m.Spec) {
		return fmt.Errorf("a container gets systemd's sockets with process ids of its own only: leave out --pid")
	}
	for _, f := range m.sockets.Files {
		l.Sockets = append(l.Sockets, int(f.Fd()))
	}
	described, process := *m.Spec, *m.Spec.Process
	process.Env = append(slices.Clone(process.Env), "LISTEN_PID=1", "LISTEN_FDS="+strconv.Itoa(m.sockets.Count))
	if m.sockets.Names != "" {
		process.Env = append(process.Env, "LISTEN_FDNAMES="+m.sockets.Names)
	}
	described.Process, l.Spec = &process, &described
	return nil
}
