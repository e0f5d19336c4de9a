package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/replace"
	"github.com/rl-project/rl/runner/spec"
)

// Healthiness is what the probes of a container say, "" without any.
type Healthiness string

// Docker's words for it.
const (
	Starting  Healthiness = "starting"
	Healthy   Healthiness = "healthy"
	Unhealthy Healthiness = "unhealthy"
)

// Health is what is known of a container by its health check. It is kept in
// the runtime folder, which is in memory: a probe each second is not to write to
// a disk each second. It stays there after the container's end, for who asks why
// it ended, until the next start.
type Health struct {
	Status        Healthiness
	FailingStreak int
	Log           []Probe // the last five, the oldest first
}

// Probe is the result of one run of a health check.
type Probe struct {
	Start, End time.Time
	ExitCode   int // -1 if it had to be killed or could not be run
	Output     string
}

const (
	probesKept     = 5
	maxProbeOutput = 4096 // bytes, as Docker
	// lateOutput is how long a probe's output is waited for once it has ended:
	// what it started may hold the pipe open.
	lateOutput = 100 * time.Millisecond
)

func (s Store) healthPath(id string) string { return filepath.Join(s.sockets(), id[:32]+".health") }

// Health returns what the health check of a container has found in its present
// or last life, nothing after a reboot.
func (s Store) Health(id string) Health {
	var h Health
	_ = s.readJSON(s.healthPath(id), &h) // no file: no probe has ended yet
	return h
}

// add notes the result of a probe and reports whether the status changed.
func (h *Health) add(p Probe, o *spec.Health, started time.Time) bool {
	h.Log = append(h.Log, p)
	if surplus := len(h.Log) - probesKept; surplus > 0 {
		h.Log = slices.Delete(h.Log, 0, surplus)
	}
	before := h.Status
	if p.ExitCode == 0 {
		h.FailingStreak, h.Status = 0, Healthy
		return h.Status != before
	}
	if h.Status == Starting && p.Start.Sub(started) < o.StartPeriod {
		return false
	}
	if h.FailingStreak++; h.FailingStreak >= o.Retries {
		h.Status = Unhealthy
	}
	return h.Status != before
}

// next is how long after a probe the next one comes.
func (h *Health) next(o *spec.Health, started time.Time) time.Duration {
	if h.Status == Starting && o.StartPeriod > 0 && time.Since(started) < o.StartPeriod {
		return min(o.StartInterval, o.Interval)
	}
	return o.Interval
}

// watchHealth runs the health check as long as this life lasts.
func (m *monitor) watchHealth(l *life) {
	o := m.facts.Health
	if o == nil {
		return
	}
	h := Health{Status: Starting}
	started := m.State.StartedAt
	os.Remove(m.store.healthPath(m.ID)) // of the life before
	m.serving.Go(func() {
		timer := time.NewTimer(h.next(o, started))
		defer timer.Stop()
		for {
			select {
			case <-l.ended:
				return
			case <-timer.C:
			}
			if p, ok := m.probe(l, o); ok {
				m.noteHealth(l, &h, p, started)
			}
			timer.Reset(h.next(o, started))
		}
	})
}

// noteHealth keeps the result of a probe, and acts when the status has changed.
func (m *monitor) noteHealth(l *life, h *Health, p Probe, started time.Time) {
	changed := h.add(p, m.facts.Health, started)
	if !m.keepHealth(h, changed) || !changed {
		return
	}
	if h.Status == Healthy {
		l.markHealthy()
	}
	m.record("health_status: " + string(h.Status))
	if h.Status == Unhealthy {
		m.failHealth(l)
	}
}

// keepHealth writes down what is known, and the status if it has changed; false once
// the life has ended, after which the container may be gone at any moment.
func (m *monitor) keepHealth(h *Health, changed bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.State.Init.PID == 0 {
		return false
	}
	if data, err := json.Marshal(h); err == nil {
		path := m.store.healthPath(m.ID)
		_ = replace.File(path, path+".new", data, 0o600)
	}
	if changed {
		m.State.Health = h.Status
		m.save()
	}
	return true
}

// markHealthy lets those go on who wait for the first time.
func (l *life) markHealthy() {
	select {
	case <-l.healthy:
	default:
		close(l.healthy)
	}
}

// AwaitHealthy returns when a running container is healthy. It fails with
// ErrNotRunning when that ends before, and for one without a health check.
func (s Store) AwaitHealthy(ctx context.Context, id string) error {
	_, err := s.tell(ctx, Request{Op: OpHealthy, ID: id})
	return err
}

func (m *monitor) awaitHealthy(w *wire) error {
	l, err := m.present()
	if err != nil {
		return err
	}
	if m.facts.Health == nil {
		return errors.New("there is no health check to wait for: give --health-cmd")
	}
	select {
	case <-l.healthy:
		return nil
	case <-l.ended:
		return ErrNotRunning
	case <-w.gone():
		return nil
	}
}

// failHealth does what --health-on-failure says.
func (m *monitor) failHealth(l *life) {
	if m.facts.Health.OnFailure != spec.OnFailureNone {
		m.blame(l, string(Unhealthy))
	}
	switch m.facts.Health.OnFailure {
	case spec.OnFailureKill:
		m.signal(l, unix.SIGKILL)
	case spec.OnFailureStop:
		m.serving.Go(func() { m.stop(unix.Signal(m.facts.StopSignal), m.stopTimeout()) })
	case spec.OnFailureRestart:
		m.mu.Lock()
		l.renewed = true
		m.mu.Unlock()
		m.signal(l, unix.Signal(m.facts.StopSignal))
		select {
		case <-l.ended:
		case <-time.After(m.stopTimeout()):
			m.signal(l, unix.SIGKILL)
		}
	}
}

// probe runs the check once; ok is false when there is nothing to be learned,
// because the container is paused or has ended.
func (m *monitor) probe(l *life, o *spec.Health) (p Probe, ok bool) {
	p = Probe{Start: time.Now(), ExitCode: -1}
	process, err := m.probeProcess(l, o)
	if err == nil {
		err = m.runProbe(l, process, o.Timeout, &p)
	}
	p.End = time.Now()
	if errors.Is(err, ErrPaused) || errors.Is(err, ErrNotRunning) || l.over() {
		return p, false
	}
	if err != nil {
		p.Output = err.Error()
	}
	return p, true
}

// probeProcess describes the probe, the same for all of a life.
func (m *monitor) probeProcess(l *life, o *spec.Health) (*specs.Process, error) {
	if l.check == nil {
		p, err := m.execProcess(l, ExecOptions{ExecOptions: spec.ExecOptions{Args: o.Args}})
		if err != nil {
			return nil, err
		}
		l.check = p
	}
	return l.check, nil
}

func (m *monitor) runProbe(l *life, process *specs.Process, timeout time.Duration, p *Probe) error {
	out, child, err := pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	files := []*os.File{null, child, child}
	e, err := m.forkExec(l, process, files, ExecOptions{})
	null.Close()
	child.Close()
	if err != nil {
		return err
	}
	output := make(chan []byte, 1)
	go func() { output <- readSome(out) }()
	code, late := l.awaitProbe(e, timeout)
	out.SetReadDeadline(time.Now().Add(lateOutput))
	p.Output = string(<-output)
	if p.ExitCode = code; late {
		p.ExitCode, p.Output = -1, fmt.Sprintf("Health check exceeded timeout (%v)", timeout)
	}
	return nil
}

// awaitProbe waits for the end of a probe. One that takes too long, or longer than
// the container, is killed with all that it has started: the shell of a command
// that hangs is not what hangs.
func (l *life) awaitProbe(e executed, timeout time.Duration) (code int, late bool) {
	done := make(chan int, 1)
	go func() { done <- e.wait() }()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case code = <-done:
		return code, false
	case <-l.ended:
	case <-timer.C:
		late = true
	}
	e.process.SignalGroup(unix.SIGKILL)
	return <-done, late
}

// readSome returns the beginning of what can be read, and reads the rest away.
func readSome(r io.Reader) []byte {
	data, _ := io.ReadAll(io.LimitReader(r, maxProbeOutput))
	_, _ = io.Copy(io.Discard, r)
	return data
}
