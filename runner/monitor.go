package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/footprint"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/volume"
)

// monitor is the life of one container, in the process that is its parent.
type monitor struct {
	Container
	State State
	store Store
	facts spec.Facts

	lock       *os.File // the container's, until the end of this process
	socket     *net.UnixListener
	*life                          // the present one; guarded by mu for who is not on the main thread
	idler      *footprint.Idler    // makes the process small when it has nothing to do
	size       Size                // of the terminal at the start
	trees      map[string]*os.File // sources of bind mounts that came with the request
	sockets    Sockets             // for the command, in each life
	network    *slirp.Client
	netns      *os.File // the network namespace, kept for the next life
	notes      []string
	draft      *draft             // a new container until it is written down
	claimed    bool               // the image is known not to go away
	trash      []string           // anonymous volumes that are to be deleted
	pausing    sync.RWMutex       // held for reading while exec starts a process
	suspended  *cgroup2.Suspended // while paused without a group
	changing   sync.RWMutex       // Container, once it runs: rename and update change it
	unwatch    context.CancelFunc // ends the watch over memory, nil without one
	supervised bool               // somebody else starts it again
	byUnit     bool               // it is being stopped by systemd, not by a person
	killed     bool               // it was told to end by a signal alone, as rm -f and kill do
	backoff    backoff
	halt       chan struct{} // closed when no further life is wanted

	// forks are started on the main thread: a child of another thread would be
	// killed when the Go runtime ends that.
	forks   chan func()
	serving sync.WaitGroup // commands that are being answered
	mu      sync.Mutex     // State and life
	over    chan struct{}  // closed when the last end is written down
}

// Monitor is the program of a monitor. Its first request, over conn, says
// which container to make or start; it returns when that container has ended
// and everything about it is written down. The caller is in the user namespace,
// on its main goroutine.
func Monitor(conn *os.File, places dirs.Dirs) error {
	runtime.LockOSThread()
	first, err := wireOf(conn)
	if err != nil {
		return err
	}
	defer first.Close()
	m := &monitor{
		store: Store{places}, life: newLife(), idler: footprint.NewIdler(settled),
		forks: make(chan func()), halt: make(chan struct{}), over: make(chan struct{}),
	}
	for {
		request, err := first.receiveFirst()
		if err != nil {
			return nil // the command gave up
		}
		again, err := m.begin(first, request)
		if err != nil || !again {
			return err
		}
	}
}

// begin answers the first request and, where that starts a container, runs it
// to its end. again asks for another request: the command had something to do.
func (m *monitor) begin(w *wire, r Request) (again bool, err error) {
	if err := m.takeFiles(r, w.files()); err != nil {
		return false, w.sendJSON(frameReply, replyOf(err))
	}
	if err := m.take(r); err != nil {
		return m.answer(w, err)
	}
	defer m.lock.Close()
	m.notes = m.facts.Notes
	if r.Op == OpCreate && !r.Start {
		if err := m.keep(); err != nil {
			return m.answer(w, errors.Join(err, m.draft.discard()))
		}
		m.lock.Close() // before the answer: the next command may come at once
		return false, w.sendJSON(frameReply, Reply{ID: m.ID, Notes: m.notes})
	}
	m.size, m.supervised = r.Attach.Size, r.Supervised
	client := &attached{wire: w, Attach: r.Attach}
	if r.Attach.Any() {
		// Before the start, so that nothing is missed.
		m.io.clients = []*attached{client}
	}
	if err := m.run(w, client); err != nil {
		m.abandon(err)
		m.lock.Close()
		return m.answer(w, err)
	}
	return false, nil
}

// answer tells why there is no container, or asks for its image.
func (m *monitor) answer(w *wire, err error) (again bool, _ error) {
	if errors.Is(err, storage.ErrNotResolved) {
		return true, w.sendJSON(frameReply, Reply{Unresolved: true})
	}
	return false, w.sendJSON(frameReply, replyOf(err))
}

// take makes the container, or takes the stopped one that is to be started.
func (m *monitor) take(r Request) (err error) {
	if r.Op == OpCreate {
		if m.draft, err = m.store.draft(*r.Create); err != nil {
			return err
		}
		m.Container, m.lock, m.facts, m.claimed = m.draft.Container, m.draft.lock, m.draft.facts, true
		return nil
	}
	if err := m.store.prepare(); err != nil { // a reboot clears the folders of sockets
		return err
	}
	if m.lock, err = m.store.lock(r.ID); err != nil {
		return removed(err, r.ID)
	}
	view, err := m.store.Load(r.ID)
	if err != nil {
		m.lock.Close()
		return removed(err, r.ID)
	}
	m.Container, m.State = view.Container, view.State
	m.State.Restarts, m.State.Restarting = 0, false
	// Nobody else has the lock: what still lives of it is dying with its monitor.
	if err := m.store.killOrphan(context.Background(), view.State); err != nil {
		m.lock.Close()
		return failf("end what is left of the container: %w", err)
	}
	if m.facts, err = spec.FactsOf(m.Spec); err != nil {
		m.lock.Close()
	}
	return err
}

// keep writes a new container down.
func (m *monitor) keep() error {
	if err := m.draft.keep(); err != nil {
		return err
	}
	m.draft = nil
	m.record("create")
	return nil
}

// appear makes the container known to others, which is done while its first
// process mounts its files.
func (m *monitor) appear() error {
	// Caught and not ignored: what a program ignores, its children do too. Each
	// signal takes an exchange between two threads, which this one does not wait for.
	go signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE)
	if m.draft != nil {
		if err := m.keep(); err != nil {
			return err
		}
	}
	if len(m.io.clients) > 0 {
		m.record("attach")
	}
	return m.listen()
}

// removed says of a container that was there a moment ago that it is gone.
func removed(err error, id string) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %.12s", ErrNotFound, id)
	}
	return err
}

// run starts the container and serves it until it has ended for good.
func (m *monitor) run(w *wire, client *attached) error {
	ctx := context.Background()
	if err := m.anchorTrees(); err != nil {
		return failf("%w", err)
	}
	if err := m.start(ctx, m.appear); err != nil {
		if m.socket != nil {
			m.hangUp()
		}
		return err
	}
	m.recordStart()
	w.sendJSON(frameReply, Reply{ID: m.ID, Notes: m.notes})
	close(m.io.begin)
	m.letGo()
	go m.accept()
	go m.obey()
	if first := m.life; client.Any() {
		m.serving.Go(func() { m.follow(first, client) })
	} else {
		w.Close()
	}
	for again := true; again; {
		m.watchMemory(ctx)
		m.watchHealth(m.life)
		m.watchTime(m.life)
		again = m.serveLife(ctx) && m.restart(ctx)
	}
	m.serving.Wait()
	return nil
}

// serveLife serves one life of the container to its end, forking what exec wants,
// and reports whether another is to follow.
func (m *monitor) serveLife(ctx context.Context) (again bool) {
	done := make(chan bool, 1)
	go func() { done <- m.wait(ctx) }()
	for {
		select {
		case fork := <-m.forks:
			fork()
		case again := <-done:
			return again
		}
	}
}

// abandon undoes what creating has done when the first start fails, if the
// container is to be removed by itself; otherwise it writes the failure down.
func (m *monitor) abandon(err error) {
	if m.draft != nil && (m.AutoRemove || m.keep() != nil) {
		m.draft.discard()
		m.draft = nil
		m.io.dismiss()
		m.life = newLife() // for the next request, if the image has to be found again
		return
	}
	if m.AutoRemove {
		m.store.discard(m.Container)
		m.store.removeAnonymous(m.Container)
		m.record("destroy")
		return
	}
	m.State.Error, m.State.ExitCode = err.Error(), replyOf(err).Code
	m.State.Boot, m.State.Init = "", process.ID{}
	m.save()
}

// settled is how long a monitor has had nothing to do before it makes itself
// small, which takes some milliseconds of a processor.
const settled = time.Second

// letGo frees the terminal and, unless the container ends at once, the memory of
// the start: from here on the monitor mostly sleeps.
func (m *monitor) letGo() {
	time.AfterFunc(settled, func() { debug.SetGCPercent(25) })
	m.idler.Touch()
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			unix.Dup3(int(null.Fd()), fd, 0)
		}
		null.Close()
	}
}

// wait waits for the end of the present life and writes it down. again is
// whether the container is to be started once more.
func (m *monitor) wait(ctx context.Context) (again bool) {
	status, err := m.init.Wait()
	drained := m.settle()
	policy := m.policy()
	m.mu.Lock()
	m.State.FinishedAt, m.State.Init = time.Now(), process.ID{}
	m.State.ExitCode = CodeFailed
	if err == nil {
		m.State.ExitCode = exitCode(status)
	}
	m.State.Error = cmp.Or(m.State.Error, m.reason)
	if m.group != nil {
		// The group is gone with its numbers in a moment.
		if kills, err := m.group.OOMKills(); err == nil && kills > 0 {
			m.State.OOMKilled = true
		}
	}
	again = m.wantsRestart(policy)
	m.State.Restarting = again
	m.countLost()
	m.exit = Exit{Code: m.State.ExitCode, OOMKilled: m.State.OOMKilled, Limit: m.State.Limit, Stopped: m.State.Stopped}
	ended := m.State
	m.mu.Unlock()
	m.recordEnd(ended)
	m.removeGroup(ctx)
	if again {
		m.pass(drained)
		return true
	}
	m.end()
	m.tell(drained)
	close(m.ended)
	close(m.over)
	return false
}

// end writes down that the container has ended for good.
func (m *monitor) end() {
	m.dropNetwork()
	if err := m.conclude(); err != nil {
		m.exit.Error = err.Error()
	}
	m.lock.Close() // who hears of the end may start or remove it at once
	if m.AutoRemove {
		m.serving.Go(m.purge)
	}
}

// tell lets those attached to the present life know of its end, after its last output.
func (m *monitor) tell(drained <-chan struct{}) {
	l := m.life
	m.serving.Go(func() {
		<-drained
		l.io.sendExit(l.exit)
		close(l.told)
	})
}

// purge deletes a container's files, for which nobody needs to wait: not before
// those attached know of the end, unless they do not listen.
func (m *monitor) purge() {
	select {
	case <-m.told:
	case <-time.After(outputTime):
	}
	m.store.purge(m.Container)
	for _, path := range m.trash {
		volume.Purge(path)
	}
}

// outputTime is how long the end of a container waits for its last output to be
// passed on. A command that does not read, stopped or paused by a pager, gets
// the rest later: it holds up nobody but itself.
const outputTime = 2 * time.Second

// settle waits for the last output; drained is closed when there is no more.
// With a pid namespace of its own nothing of the container outlives its first
// process; without, the others are killed.
func (m *monitor) settle() (drained chan struct{}) {
	io := &m.io
	if !pidNamespace(m.Spec) {
		m.killOthers()
	}
	io.leave()
	drained = make(chan struct{})
	go func() {
		io.drain()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(outputTime):
	}
	return drained
}

func (m *monitor) removeGroup(ctx context.Context) {
	if m.group != nil {
		m.group.Remove(ctx)
		m.group.Close()
	}
}

// conclude writes the end down, or removes the container with --rm.
func (m *monitor) conclude() error {
	m.hangUp()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.State.Cgroup, m.State.Attachments, m.State.Restarting = "", nil, false
	if m.AutoRemove {
		if err := m.store.hide(m.Container); err != nil {
			return err
		}
		m.trash = m.store.hideAnonymous(m.Container)
		m.record("destroy")
		return nil
	}
	return m.save()
}

// save writes the state down. The caller holds mu or is alone.
func (m *monitor) save() error {
	err := m.store.save(m.ID, "state.json", m.State)
	m.store.spill(m.ID, m.State, err)
	return err
}

// watchMemory enforces --memory where the kernel cannot be asked to.
func (m *monitor) watchMemory(ctx context.Context) {
	if !m.State.MemorySampled {
		return
	}
	ctx, m.unwatch = context.WithCancel(ctx)
	o := cgroup2.WatchOptions{
		Init: m.init.PID, Limit: m.State.Limit,
		Killed: func(cgroup2.Kill) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.State.OOMKilled = true
			m.record("oom")
			m.save()
		},
	}
	init := m.init
	go func() {
		if err := cgroup2.Watch(ctx, o); err != nil && ctx.Err() == nil {
			// A limit that nobody keeps is none.
			m.mu.Lock()
			m.State.Error = "the memory limit could not be watched any more: " + err.Error()
			m.mu.Unlock()
			init.Signal(unix.SIGKILL)
		}
	}()
}

// obey stops the container when the monitor itself is asked to end, by the
// systemd unit it may be part of for example.
func (m *monitor) obey() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	select {
	case <-signals:
		m.stop(unix.Signal(m.facts.StopSignal), m.stopTimeout())
	case <-m.over:
	}
}

func (m *monitor) stopTimeout() time.Duration {
	if m.facts.StopTimeout < 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Duration(m.facts.StopTimeout) * time.Second
}

// stop asks the container to end, kills it after timeout, and returns when the
// end is written down. It is not started again.
func (m *monitor) stop(s syscall.Signal, timeout time.Duration) {
	l := m.unwanted(s == unix.SIGKILL)
	if timeout > 0 {
		m.signal(l, s)
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-m.over:
			return
		case <-timer.C:
		}
	}
	m.signal(l, unix.SIGKILL)
	<-m.over
}

// exitCode is a shell's: 128 and the signal's number for a killed process.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// replyOf turns an error into an answer.
func replyOf(err error) Reply {
	start := new(StartError)
	if errors.As(err, &start) {
		return Reply{Code: start.Code, Error: start.Text, Kind: kindOf(err)}
	}
	return Reply{Code: CodeFailed, Error: err.Error(), Kind: kindOf(err)}
}
