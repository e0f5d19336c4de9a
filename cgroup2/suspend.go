package cgroup2

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Suspended are the processes that Suspend has stopped.
type Suspended struct {
	container
	before map[int]bool // those that somebody else had stopped already
}

// SuspendNotice is the one line for the person when there is no group to freeze.
const SuspendNotice = "there is no control group to freeze: its processes are stopped one by one (SIGSTOP), " +
	"which their parents can see ('rl check' tells how to get the freezer)"

// Suspend is Freeze for a container without a group: it stops every process below init, and those that
// they start meanwhile. Parents are stopped before their children, so that they do not see them stop. The caller is
// the container's monitor, as for Watch. On failure everything goes on.
//
// It is done when a pass over all processes finds each of them stopped and none gone: a stopped process
// forks no other, and only the end of a process can move its children to where the pass has been.
func Suspend(init int) (*Suspended, error) {
	c, err := newContainer("/proc", init)
	if err != nil {
		return nil, fmt.Errorf("stop the processes: %w", err)
	}
	s := &Suspended{container: c, before: map[int]bool{}}
	for first := true; ; first = false {
		stopped, err := s.pass(first)
		if err == nil && !stopped && c.doing(init) == finished {
			err = unix.ESRCH
		}
		if err != nil {
			s.Resume()
			return nil, fmt.Errorf("stop the processes: %w", err)
		}
		if stopped {
			return s, nil
		}
	}
}

// pass signals every process that runs and reports whether there was none.
func (s *Suspended) pass(first bool) (stopped bool, err error) {
	stopped = true
	s.walk(func(pid int) {
		switch s.doing(pid) {
		case finished:
			stopped = false
		case halted:
			s.before[pid] = s.before[pid] || first
		case waiting:
			if !first && s.awaitsChild(pid) {
				return
			}
			fallthrough
		default:
			stopped = false
			if failed := unix.Kill(pid, unix.SIGSTOP); failed != nil && !errors.Is(failed, unix.ESRCH) {
				err = failed
			}
		}
	})
	return stopped, err
}

// awaitsChild recognises a process in vfork(2): it cannot be stopped before its child has executed a program,
// nor can it go on before that.
func (s *Suspended) awaitsChild(pid int) bool {
	return slices.ContainsFunc(s.children(pid), func(child int) bool { return s.doing(child) == halted })
}

// Resume lets the processes go on, children before their parents.
func (s *Suspended) Resume() {
	var all []int
	s.walk(func(pid int) { all = append(all, pid) })
	for _, pid := range slices.Backward(all) {
		if !s.before[pid] {
			unix.Kill(pid, unix.SIGCONT)
		}
	}
}

// activity is what a process does, that of its liveliest thread.
type activity int

const (
	finished activity = iota // the process is not there
	halted                   // stopped by a signal or a debugger
	waiting                  // in the kernel, where signals do not reach it
	active
)

// doing looks at all threads: the first may have ended, and is a zombie then, while others go on.
func (c container) doing(pid int) activity {
	tasks, most := c.path(pid, "task"), finished
	for _, thread := range entries(tasks) {
		switch state(readProc(tasks + "/" + thread + "/stat")) {
		case 0:
		case 'T', 't', 'Z', 'X':
			most = max(most, halted)
		case 'D':
			most = max(most, waiting)
		default:
			most = active
		}
	}
	return most
}

// Stopped reports whether a process that was suspended still is, which anybody may ask.
func Stopped(pid int) bool {
	now := container{proc: "/proc"}.doing(pid)
	return now == halted || now == waiting
}

// state is the third field of a stat file, 0 if there is none. The second may have blanks and brackets in it.
func state(stat []byte) byte {
	text := string(stat)
	if i := strings.LastIndexByte(text, ')'); i >= 0 && i+2 < len(text) {
		return text[i+2]
	}
	return 0
}

// ProcessesBelow lists the processes of a container without a group, init first. The caller is the
// container's monitor, as for Watch.
func ProcessesBelow(init int) ([]int, error) {
	c, err := newContainer("/proc", init)
	if err != nil {
		return nil, err
	}
	var all []int
	c.walk(func(pid int) { all = append(all, pid) })
	return all, nil
}
