package runner

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/runner/boot"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Usage is what a running container uses at a moment. Sizes are bytes.
type Usage struct {
	At             time.Time
	CPU            time.Duration // on all processors together, since the start
	Memory         uint64        // without page cache that has not been used lately
	MemoryLimit    uint64        // the machine's memory for a container without one
	Pids           uint64        // processes and threads
	Read, Written  uint64        // from and to block devices
	Received, Sent uint64        // over all network interfaces but the loopback
}

// Meter asks one running container for its Usage, time and again.
type Meter struct {
	wire *wire
	id   string
}

// Meter connects to a running container.
func (s Store) Meter(ctx context.Context, id string) (*Meter, error) {
	w, err := s.dial(ctx, id)
	return &Meter{w, id}, err
}

// Read returns the usage now, and ErrNotRunning when the container has ended.
func (m *Meter) Read() (Usage, error) {
	var reply Reply
	err := m.wire.sendJSON(frameRequest, Request{Op: OpStats, ID: m.id})
	if err == nil {
		err = m.wire.receiveJSON(frameReply, &reply)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("%w: %.12s", ErrNotRunning, m.id)
	}
	if reply.Usage == nil {
		return Usage{}, reply.err()
	}
	return *reply.Usage, nil
}

// Close ends the connection.
func (m *Meter) Close() error { return m.wire.Close() }

// Processes returns the ids of a running container's processes, as the host
// counts, its first process first.
func (s Store) Processes(ctx context.Context, id string) ([]int, error) {
	reply, err := s.tell(ctx, Request{Op: OpTop, ID: id})
	return reply.PIDs, err
}

// serveStats answers OpStats for as long as the command asks.
func (m *monitor) serveStats(w *wire) {
	for {
		reply := m.measure()
		var next Request
		if w.sendJSON(frameReply, reply) != nil || w.receiveJSON(frameRequest, &next) != nil {
			return
		}
	}
}

// measure answers OpStats once.
func (m *monitor) measure() Reply {
	l, err := m.present()
	if err != nil {
		return replyOf(err)
	}
	usage, err := m.usage(l)
	if err != nil {
		return m.refusal(l, "measure", err)
	}
	return Reply{ID: m.ID, Usage: &usage}
}

func (m *monitor) usage(l *life) (Usage, error) {
	count := l.group.Stats
	if l.group == nil {
		count = func() (cgroup2.Stats, error) { return cgroup2.Sample(l.init.PID) }
	}
	s, err := count()
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		At: time.Now(), CPU: s.CPU, Memory: s.Memory - min(s.MemoryFile, s.Memory), Pids: s.Pids, Read: s.ReadBytes, Written: s.WriteBytes,
	}
	if l.group != nil && (u.Memory == 0 || u.Pids == 0) { // a controller is not delegated
		if sampled, err := cgroup2.Sample(l.init.PID); err == nil {
			u.Memory, u.Pids = max(u.Memory, sampled.Memory), max(u.Pids, sampled.Pids)
		}
	}
	m.mu.Lock()
	u.MemoryLimit = uint64(m.State.Limit)
	m.mu.Unlock()
	if machine := cgroup2.MachineMemory(); u.MemoryLimit == 0 || u.MemoryLimit > machine {
		u.MemoryLimit = machine
	}
	if m.facts.Join[specs.NetworkNamespace] != "" || boot.Flags(m.Spec)&unix.CLONE_NEWNET != 0 {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", l.init.PID))
		u.Received, u.Sent = parseNetDev(string(text))
	}
	return u, nil
}

// parseNetDev sums the bytes of all interfaces but the loopback in
// /proc/PID/net/dev, proc_pid_net(5).
func parseNetDev(text string) (received, sent uint64) {
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !found || strings.TrimSpace(name) == "lo" || len(fields) < 9 {
			continue
		}
		in, _ := strconv.ParseUint(fields[0], 10, 64)
		out, _ := strconv.ParseUint(fields[8], 10, 64)
		received, sent = received+in, sent+out
	}
	return received, sent
}

// top answers with the container's processes.
func (m *monitor) top() Reply {
	l, err := m.present()
	if err != nil {
		return replyOf(err)
	}
	pids, err := l.processes()
	if err != nil {
		return m.refusal(l, "list the processes of", err)
	}
	return Reply{ID: m.ID, PIDs: pids}
}

func (l *life) processes() ([]int, error) {
	if l.group != nil {
		return l.group.Processes()
	}
	return cgroup2.ProcessesBelow(l.init.PID)
}
