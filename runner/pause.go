package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
)

// freezeTime is how long the kernel may take to stop processes: those in a
// stuck system call hold it up.
const freezeTime = 10 * time.Second

// Pause stops every process of a running container where it is. The notes are
// for the person. It fails with ErrPaused when that has been done already.
func (s Store) Pause(ctx context.Context, id string) (notes []string, err error) {
	reply, err := s.tell(ctx, Request{Op: OpPause, ID: id})
	return reply.Notes, err
}

// Unpause lets the processes of a paused container go on, and fails with
// ErrNotPaused for another one.
func (s Store) Unpause(ctx context.Context, id string) error {
	_, err := s.tell(ctx, Request{Op: OpUnpause, ID: id})
	return err
}

// Hold pauses a running container until release is called or this process ends,
// however it ends. It fails with ErrPaused when the container is paused already.
func (s Store) Hold(ctx context.Context, id string) (notes []string, release func() error, err error) {
	w, err := s.request(ctx, Request{Op: OpHold, ID: id})
	if err != nil {
		return nil, nil, err
	}
	reply, err := w.receiveReply(id)
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return reply.Notes, func() error {
		defer w.Close()
		if err := w.conn.CloseWrite(); err != nil {
			return err
		}
		_, err := w.receiveReply(id)
		if errors.Is(err, ErrNotPaused) || errors.Is(err, ErrNotRunning) {
			return nil // somebody else has let it go on, or ended it
		}
		return err
	}, nil
}

// tell sends a request that is answered by a reply alone.
func (s Store) tell(ctx context.Context, r Request) (Reply, error) {
	w, err := s.request(ctx, r)
	if err != nil {
		return Reply{}, err
	}
	defer w.Close()
	return w.receiveReply(r.ID)
}

// receiveReply returns what the monitor of the container id says; one that hangs
// up has ended.
func (w *wire) receiveReply(id string) (reply Reply, err error) {
	if err := w.receiveJSON(frameReply, &reply); err != nil {
		return reply, fmt.Errorf("%w: %.12s", ErrNotRunning, id)
	}
	return reply, reply.err()
}

// pause freezes the container's group or, without one, stops its processes.
func (m *monitor) pause() (reply Reply) {
	l, err := m.present()
	if err != nil {
		return replyOf(err)
	}
	m.pausing.Lock()
	defer m.pausing.Unlock()
	if m.paused(l) {
		return replyOf(fmt.Errorf("%w already: %s", ErrPaused, m.Name))
	}
	if l.group == nil {
		return m.suspend(l)
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if err := l.group.Freeze(ctx); err != nil {
		_ = l.group.Thaw(context.Background()) // what could be frozen goes on
		return m.refusal(l, "pause", err)
	}
	m.record("pause")
	return Reply{ID: m.ID}
}

// hold pauses the container for as long as the command wants that and lives.
func (m *monitor) hold(w *wire) {
	reply := m.pause()
	if w.sendJSON(frameReply, reply); reply.Error != "" {
		return
	}
	select {
	case <-w.gone():
	case <-m.over:
	}
	w.sendJSON(frameReply, m.resume())
}

// suspend is pause without a group. That it was asked for is written down
// first: a program may stop itself, and is not paused then.
func (m *monitor) suspend(l *life) Reply {
	m.setSuspended(true)
	suspended, err := cgroup2.Suspend(l.init.PID)
	if err != nil {
		m.setSuspended(false)
		return m.refusal(l, "pause", err)
	}
	m.suspended = suspended
	m.record("pause")
	return Reply{ID: m.ID, Notes: []string{cgroup2.SuspendNotice}}
}

func (m *monitor) setSuspended(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.Suspended = is
	m.save()
}

// refusal says why something could not be done to the container, which may
// have ended meanwhile.
func (m *monitor) refusal(l *life, what string, err error) Reply {
	if l.over() || errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist) {
		err = ErrNotRunning
	}
	return replyOf(fmt.Errorf("%s %s: %w", what, m.Name, err))
}

// resume undoes pause.
func (m *monitor) resume() Reply {
	l, err := m.present()
	if err != nil {
		return replyOf(err)
	}
	m.pausing.Lock()
	defer m.pausing.Unlock()
	if !m.paused(l) {
		return replyOf(fmt.Errorf("%w: %s", ErrNotPaused, m.Name))
	}
	if l.group != nil {
		ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
		defer cancel()
		if err := l.group.Thaw(ctx); err != nil && !errors.Is(err, cgroup2.ErrGone) {
			return m.refusal(l, "unpause", err)
		}
	} else {
		m.suspended.Resume()
		m.suspended = nil
		m.setSuspended(false)
	}
	m.record("unpause")
	return Reply{ID: m.ID}
}

// paused reports whether the container is paused now. The caller holds pausing.
func (m *monitor) paused(l *life) bool {
	if l.group != nil {
		frozen, err := l.group.Frozen()
		return err == nil && frozen
	}
	return m.suspended != nil && cgroup2.Stopped(l.init.PID)
}

// checkPaused refuses what a paused container cannot do. The caller holds pausing.
func (m *monitor) checkPaused(l *life) error {
	if m.paused(l) {
		return fmt.Errorf("%w: let it go on first (rl unpause %s)", ErrPaused, m.Name)
	}
	return nil
}

// signal sends a signal to the first process of a life, and os.ErrProcessDone
// if that has ended. One that is to end it makes a paused container go on, as
// without that it would not be received.
func (m *monitor) signal(l *life, s syscall.Signal) error {
	m.mu.Lock()
	init := l.init
	m.mu.Unlock()
	if init == nil {
		return os.ErrProcessDone
	}
	err := init.Signal(s)
	if err != nil {
		return err
	}
	m.recordKill(s)
	if s == unix.SIGKILL || m.Config.StopSignal == "" || int(s) == m.facts.StopSignal {
		m.pausing.RLock()
		paused := m.paused(l)
		m.pausing.RUnlock()
		if paused {
			m.resume()
		}
	}
	return nil
}
