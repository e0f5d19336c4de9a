package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// WatchOptions say which container's memory is watched.
type WatchOptions struct {
	// Init is the container's first process, as the caller's pid namespace counts.
	Init int
	// Limit is in bytes.
	Limit int64
	// Killed is called right before each kill, from the goroutine that runs Watch.
	Killed func(Kill)
}

// Kill is what is worth recording of a process that Watch has killed.
type Kill struct {
	PID   int
	Name  string // command name
	Usage int64  // bytes the container used, above the limit
	Init  bool   // the container ends with it, with exit code 137
}

// Watch holds a container to a memory limit where the kernel cannot be asked to, until the
// container's init ends or ctx does. The caller is the container's monitor: the parent of its
// exec'd commands, with the ptrace capability over them.
//
// It samples. Resident memory is summed first, which is cheap and never too little; only above the
// limit is shared memory divided among its users, and above it still, the process dies that
// the kernel's OOM killer would choose. A process that allocates faster than the
// samples follow overshoots, and files in tmpfs that nobody has mapped are not counted.
//
// Measured with one idle process and 20 MiB: 0.13% of a core, 14 samples a second.
func Watch(ctx context.Context, o WatchOptions) error {
	init, err := unix.PidfdOpen(o.Init, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch the memory of process %d: %w", o.Init, err)
	}
	defer unix.Close(init)
	wake, stop, err := wakeOnDone(ctx)
	if err != nil {
		return err
	}
	defer stop()
	c, err := newContainer("/proc", o.Init)
	if err != nil {
		return ended(init, fmt.Errorf("watch the memory of process %d: %w", o.Init, err))
	}
	w := watcher{container: c, WatchOptions: o}
	for {
		pause := w.step()
		if done, err := sleep(pause, init, wake); done || err != nil {
			return err
		}
	}
}

// ended turns an error into success where its reason is that init has ended meanwhile.
func ended(init int, err error) error {
	if done, _ := sleep(0, init, -1); done {
		return nil
	}
	return err
}

// sleep waits for the time to pass. Done means init has ended or ctx has.
func sleep(d time.Duration, init, wake int) (done bool, err error) {
	fds := []unix.PollFd{{Fd: int32(init), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	timeout := unix.NsecToTimespec(d.Nanoseconds())
	n, err := unix.Ppoll(fds, &timeout, nil)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}

// watcher is the state between two samples.
type watcher struct {
	container
	WatchOptions
	last int64 // bytes at the sample before
}

// step takes one sample, kills if it has to, and returns how long to wait for the next.
func (w *watcher) step() time.Duration {
	start := threadTime()
	used, members := w.usage()
	if used > w.Limit && w.kill(used, members) {
		w.last = 0
		return 0
	}
	growing := used > w.last+noise
	w.last = used
	return interval(w.Limit-used, threadTime()-start, growing)
}

// usage is the memory of the container in bytes, exact only when above the limit.
func (w *watcher) usage() (int64, []process) {
	members := w.processes()
	var resident, shared int64
	for _, p := range members {
		resident += p.rss
	}
	if resident <= w.Limit {
		return resident, members
	}
	for _, p := range members {
		shared += w.proportional(p)
	}
	return shared, members
}

// kill ends the worst process and waits until its memory is free, so that one excess kills once.
func (w *watcher) kill(used int64, members []process) bool {
	victim, ok := w.worst(members)
	if !ok {
		return false
	}
	fd, err := unix.PidfdOpen(victim, 0)
	if err != nil {
		return true // it has ended by itself
	}
	defer unix.Close(fd)
	k := Kill{PID: victim, Name: w.name(victim), Usage: used, Init: victim == w.Init}
	// Before the signal: whoever waits for init must find the reason written down.
	if w.Killed != nil {
		w.Killed(k)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return errors.Is(err, unix.ESRCH)
	}
	sleep(dyingTime, fd, -1)
	return true
}

// worst follows the kernel: the most resident memory, after each process's own adjustment in
// thousandths of the limit; -1000 is never chosen.
func (w *watcher) worst(members []process) (pid int, ok bool) {
	const never = -1000
	var most int64
	for _, p := range members {
		adjust := w.adjustment(p.pid)
		if adjust == never {
			continue
		}
		if points := max(p.rss+adjust*w.Limit/1000, 1); points > most {
			pid, most, ok = p.pid, points, true
		}
	}
	return pid, ok
}

// What follows decides between overshoot and cost.
const (
	shortest  = 2 * time.Millisecond
	longest   = 100 * time.Millisecond
	allocRate = 1 << 30                // bytes a process can touch in a second
	wakeCost  = 40 * time.Microsecond  // of the scheduler, for each sample
	idleShare = 1000                   // at rest, samples may take a thousandth of a core
	busyShare = 20                     // while memory grows, a twentieth
	rarest    = 500 * time.Millisecond // however expensive a sample is
	noise     = 64 << 10               // bytes that are not growth
	dyingTime = 2 * time.Second        // a killed process in a stuck system call is not waited for any longer
)

// interval is the time in which the headroom could be used up, but not so short that samples cost
// more than their share.
func interval(headroom int64, cost time.Duration, growing bool) time.Duration {
	seconds := float64(max(headroom, 0)) / allocRate
	d := min(max(time.Duration(seconds*float64(time.Second)), shortest), longest)
	share := time.Duration(idleShare)
	if growing {
		share = busyShare
	}
	return max(d, min((cost+wakeCost)*share, rarest))
}

// threadTime is the processor time of this thread. The goroutine may change threads in between,
// which makes one cost wrong and one interval a little off.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
