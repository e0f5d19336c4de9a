package runner

import (
	"context"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/spec"
)

// life is one run of a container's command, from a start to an end. A container
// with a restart policy has several below one monitor, one after the other. What
// lasts from one to the next is the container's files, log, network and ports.
type life struct {
	io     stdio
	group  *cgroup2.Group
	mounts *os.File // its mount namespace, where only that tells its processes from others'
	init   *process.Child
	ended  chan struct{} // closed when the end is written down
	exit   Exit          // valid then
	told   chan struct{} // closed when those attached know of the end, too

	healthy chan struct{}  // closed when it is healthy for the first time
	check   *specs.Process // of the health check, once it has been needed
	renewed bool           // another is to follow, whatever the policy says; guarded by the monitor's mu
	reason  string         // why the monitor ended it; guarded by the monitor's mu
}

func newLife() *life {
	return &life{io: stdio{begin: make(chan struct{})}, ended: make(chan struct{}), told: make(chan struct{}), healthy: make(chan struct{})}
}

// over reports whether the life has ended.
func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// present returns the life that a command is about, and ErrRestarting between
// two of them.
func (m *monitor) present() (*life, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.State.Restarting && (m.life.over() || m.init == nil) {
		return nil, ErrRestarting
	}
	return m.life, nil
}

// wishedBy notes whether the end that is asked for is a unit's wish or a person's.
func (m *monitor) wishedBy(unit bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byUnit = unit
}

// unwanted notes that a person wants the container to end, which keeps it from
// being started again, and returns the present life. killed is whether it is to
// end by a signal alone, without the event of a stop.
func (m *monitor) unwanted(killed bool) *life {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.Stopped, m.killed = !m.byUnit, killed
	m.haltLocked()
	return m.life
}

func (m *monitor) haltLocked() {
	if !m.halted() {
		close(m.halt)
	}
}

func (m *monitor) halted() bool {
	select {
	case <-m.halt:
		return true
	default:
		return false
	}
}

// pass ends a life after which another is to follow.
func (m *monitor) pass(drained <-chan struct{}) {
	m.mu.Lock()
	m.State.Cgroup = ""
	m.save() // a full disk does not keep the container from starting again
	m.mu.Unlock()
	m.tell(drained)
	select {
	case <-drained: // the next life opens the log anew
	case <-m.halt:
	}
	close(m.ended)
}

// restart starts the container once more after its delay; false when somebody
// did not want that any more or it failed, and the end is written down then.
func (m *monitor) restart(ctx context.Context) bool {
	timer := time.NewTimer(m.backoff.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.halt:
	}
	if !m.renew() {
		m.end()
		close(m.over)
		return false
	}
	if err := m.start(ctx, func() error { return nil }); err != nil {
		m.mu.Lock()
		m.State.Error, m.State.ExitCode = err.Error(), replyOf(err).Code
		m.exit = Exit{Code: m.State.ExitCode, Error: m.State.Error}
		m.mu.Unlock()
		m.end()
		close(m.over)
		return false
	}
	m.recordStart()
	m.idler.Touch()
	return true
}

// renew puts a new life in the place of the one that has ended; false if a
// person does not want another.
func (m *monitor) renew() bool {
	next := newLife()
	close(next.io.begin)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halted() {
		return false
	}
	m.life, m.notes = next, nil
	m.State.Restarts++
	if m.network != nil && m.netns == nil {
		m.network.Close()
		m.network = nil
	}
	return true
}

// keepNetwork keeps the network namespace of the process for the next life, so
// that addresses and ports stay. One that belongs to a user namespace of the
// container's own (keep-id) cannot be entered from the next.
func (m *monitor) keepNetwork(pid int) {
	own := boot.Flags(m.Spec)&unix.CLONE_NEWUSER != 0
	if m.policy().None() || m.network == nil || m.netns != nil || own {
		return
	}
	if f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil {
		m.netns = f
	}
}

// backoff is how long a restart waits: Docker's 100 ms, doubled each time up to
// a minute, and anew after a life of ten seconds.
type backoff struct{ delay time.Duration }

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = time.Minute
	longLife   = 10 * time.Second
)

// next sets the delay after a life that took so long.
func (b *backoff) next(lived time.Duration) {
	if b.delay == 0 || lived >= longLife {
		b.delay = firstDelay
		return
	}
	b.delay = min(2*b.delay, lastDelay)
}

// policy is the restart policy, which update may change at any time.
func (m *monitor) policy() spec.RestartPolicy {
	m.changing.RLock()
	defer m.changing.RUnlock()
	return m.facts.Restart
}

// wantsRestart decides by the policy whether the life that has just ended is
// followed by another. The caller holds mu.
func (m *monitor) wantsRestart(p spec.RestartPolicy) bool {
	if m.halted() || m.supervised && !m.renewed || !again(p, m.State) && !m.renewed {
		return false
	}
	m.backoff.next(m.State.FinishedAt.Sub(m.State.StartedAt))
	return true
}

// again reports whether the policy wants a container started again that ended
// so without having been asked to.
func again(p spec.RestartPolicy, s State) bool {
	switch p.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return s.ExitCode != 0 && (p.MaxRetries == 0 || s.Restarts < p.MaxRetries)
	}
	return false
}

// blame says why the monitor is about to end a life.
func (m *monitor) blame(l *life, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.reason = reason
}

// watchTime kills a life that lasts longer than --timeout allows. It is not a
// stop that a person asked for: the restart policy decides what follows.
func (m *monitor) watchTime(l *life) {
	if m.facts.Timeout == 0 {
		return
	}
	m.serving.Go(func() {
		timer := time.NewTimer(time.Duration(m.facts.Timeout) * time.Second)
		defer timer.Stop()
		select {
		case <-l.ended:
		case <-timer.C:
			m.blame(l, fmt.Sprintf("over its --timeout of %ds", m.facts.Timeout))
			m.signal(l, unix.SIGKILL)
		}
	})
}
