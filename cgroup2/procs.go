package cgroup2

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one process of a container as the kernel's OOM killer looks at it.
type process struct {
	pid int
	rss int64 // bytes resident, shared ones counted in full
}

// container finds the processes of a container without a control group.
type container struct {
	proc string // where procfs is mounted
	init int
	ns   string // the container's pid namespace, "pid:[4026532000]"
}

// newContainer takes a live init process. Reading its namespace needs the ptrace
// capability in the user namespace that owns it, which the monitor has.
func newContainer(proc string, init int) (container, error) {
	c := container{proc: proc, init: init}
	var err error
	c.ns, err = c.namespace(init)
	return c, err
}

func (c container) path(pid int, names ...string) string {
	return c.proc + "/" + strconv.Itoa(pid) + "/" + strings.Join(names, "/")
}

func (c container) namespace(pid int) (string, error) { return os.Readlink(c.path(pid, "ns", "pid")) }

// processes are those of the container that have memory.
func (c container) processes() []process {
	var found []process
	c.walk(func(pid int) {
		if rss, err := c.resident(pid); err == nil {
			found = append(found, process{pid, rss})
		}
	})
	return found
}

// walk visits every process once, parents before their children: down from init, and from the caller's own
// children that live in the container's pid namespace, which are exec'd commands, whose parent is outside. Nothing
// else can be in the namespace, because an orphan goes to init. A walk costs what the container is big,
// not what the machine is big, and cannot be deceived from inside as a mounted /proc can.
func (c container) walk(visit func(pid int)) {
	seen := map[int]bool{}
	var down func(pid int)
	down = func(pid int) {
		if seen[pid] {
			return
		}
		seen[pid] = true
		visit(pid)
		for _, child := range c.children(pid) {
			down(child)
		}
	}
	down(c.init)
	for _, child := range c.children(os.Getpid()) {
		if ns, err := c.namespace(child); err == nil && ns == c.ns {
			down(child)
		}
	}
}

// children lists the children of every thread of a process; a child belongs to the thread that forked it.
func (c container) children(pid int) []int {
	tasks := c.path(pid, "task")
	var all []int
	for _, thread := range entries(tasks) {
		for field := range bytes.FieldsSeq(readProc(tasks + "/" + thread + "/children")) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// entries lists a folder, without what os.ReadDir does beside: a stat of each entry and the network poller.
func entries(path string) []string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var names []string
	var buf [4096]byte
	for {
		n, err := unix.ReadDirent(fd, buf[:])
		if err != nil || n == 0 {
			return names
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// readProc reads a file of procfs in three system calls; nil if it has gone. A process with so many
// children that the list fills the buffer is read on.
func readProc(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var data []byte
	var buf [1024]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if err != nil || n == 0 {
			return data
		}
		data = append(data, buf[:n]...)
	}
}

// resident reads the second number of statm, in pages. It costs the kernel nothing to answer.
func (c container) resident(pid int) (int64, error) {
	fields := strings.Fields(string(readProc(c.path(pid, "statm"))))
	if len(fields) < 2 {
		return 0, os.ErrNotExist
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// proportional is the memory of a process with each shared page divided by the number of those who
// share it. The kernel walks the page tables for it, so it is asked only near the limit.
func (c container) proportional(p process) int64 {
	data, err := os.ReadFile(c.path(p.pid, "smaps_rollup"))
	switch {
	case err == nil && len(data) > 0:
		return parseRollup(string(data))
	case errors.Is(err, fs.ErrPermission):
		return p.rss // too much rather than nothing
	}
	return 0 // it has ended
}

// parseRollup adds anonymous and shared memory, in bytes. Mapped files are left out where the kernel
// tells them apart (5.9): under a real limit it would drop those pages before it kills.
func parseRollup(text string) int64 {
	values := map[string]int64{}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err == nil {
			values[key] = n << 10
		}
	}
	if anonymous, ok := values["Pss_Anon"]; ok {
		return anonymous + values["Pss_Shmem"]
	}
	return values["Pss"]
}

// name is the command name of a process, for messages.
func (c container) name(pid int) string {
	data, _ := os.ReadFile(c.path(pid, "comm"))
	return strings.TrimSuffix(string(data), "\n")
}

// adjustment is what the process asked the OOM killer to add, from -1000 (never) to 1000.
func (c container) adjustment(pid int) int64 {
	data, _ := os.ReadFile(c.path(pid, "oom_score_adj"))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n
}
