package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/userns"
)

// Runner is how a command, outside the user namespace, has things done.
type Runner struct {
	Store
	namespace *userns.Namespace
	resolve   func(image string) error
	early     *Early
	// Sockets go to the container that is started.
	Sockets Sockets
}

// New returns a Runner for the containers in places. resolve is called for an
// image of which nothing is known yet: it pulls it where that was asked for.
// early is a monitor for the first container, or nil.
func New(places dirs.Dirs, ns *userns.Namespace, resolve func(image string) error, early *Early) *Runner {
	return &Runner{Store: Store{places}, namespace: ns, resolve: resolve, early: early}
}

// Resolve looks an image up anew, pulling it if that was asked for.
func (r *Runner) Resolve(image string) error { return r.resolve(image) }

// Session is a command's conversation with the monitor of a container.
type Session struct {
	ID    string
	Notes []string // lines for the person
	store Store
	wire  *wire
	guest bool // of a container that ran already
	unit  bool // what started the container is part of a unit of systemd's
}

// Close ends the conversation. The container goes on.
func (s *Session) Close() error { return s.wire.Close() }

// Create makes a container and, with start, starts it. The session is that of
// its monitor.
func (r *Runner) Create(o CreateOptions, start bool, a Attach) (*Session, error) {
	if err := r.inherit(&o.Options); err != nil {
		return nil, failf("%w", err)
	}
	readNamed(&o)
	request := Request{Op: OpCreate, Create: &o, Start: start, Attach: a, Supervised: o.Supervised}
	if start {
		request.Sockets = r.Sockets
	}
	if r.UID == 0 && start {
		var err error
		if request.Trees, err = r.sourcesOf(o, int(r.namespace.UIDs[0].Host), int(r.namespace.GIDs[0].Host)); err != nil {
			return nil, failf("%w", err)
		}
	}
	return r.startMonitor(request, o.Image)
}

// Start starts a container and returns a conversation with its monitor, or with
// that of one that runs. Only a monitor that answers counts: one that was killed
// a moment ago may still have the container, whose first process may still live.
func (r *Runner) Start(ctx context.Context, v View, a Attach, supervised bool) (*Session, error) {
	for {
		if v.Active() {
			if s, err := r.Attach(ctx, v.ID, a); !errors.Is(err, ErrNotRunning) {
				return s, err
			}
		}
		s, err := r.startStopped(v.ID, a, supervised)
		if !errors.Is(err, ErrRunning) {
			return s, err
		}
		if err := pause(ctx); err != nil { // who has it is about to start it, or to end
			return nil, err
		}
		id := v.ID
		if v, err = r.Load(id); err != nil {
			return nil, removed(err, id)
		}
	}
}

// startStopped starts a container that nobody has, or fails with ErrRunning.
func (r *Runner) startStopped(id string, a Attach, supervised bool) (*Session, error) {
	request := Request{Op: OpStart, ID: id, Start: true, Attach: a, Supervised: supervised, Sockets: r.Sockets}
	if r.UID == 0 {
		v, err := r.Load(id)
		if err != nil {
			return nil, removed(err, id)
		}
		request.Trees = r.sourcesIn(v.Spec)
	}
	return r.startMonitor(request, "")
}

func (r *Runner) startMonitor(request Request, image string) (*Session, error) {
	trees, err := openTrees(request.Trees)
	if err != nil {
		return nil, failf("%w", err)
	}
	defer closeAll(trees)
	files := append(slices.Clip(trees), request.Sockets.Files...)
	w, pid, err := r.nextMonitor()
	if err != nil {
		return nil, err
	}
	if err := r.lendGroup(pid, r.parentOf(request)); err != nil {
		w.Close()
		return nil, failf("%w", err)
	}
	s, err := r.ask(w, request, image, files)
	err = r.nameOwner(request, err)
	if err != nil {
		w.Close()
	}
	return s, err
}

// nextMonitor returns the connection to a monitor that has no container yet.
func (r *Runner) nextMonitor() (*wire, int, error) {
	early := r.early
	if r.early = nil; early == nil {
		early = StartEarly(r.namespace)
	}
	return early.started()
}

// Early is a monitor that was started before it was known what for.
type Early struct {
	monitor *userns.Begun
	wire    *wire
	err     error
}

// StartEarly starts a monitor and does not wait for it. Starting one takes two
// milliseconds, in which this process has things to do.
func StartEarly(ns *userns.Namespace) *Early {
	e := new(Early)
	e.monitor, e.wire, e.err = beginMonitor(ns)
	return e
}

func (e *Early) started() (*wire, int, error) {
	if e.err != nil {
		return nil, 0, e.err
	}
	monitor, err := e.monitor.Started()
	if err != nil {
		e.wire.Close()
		return nil, 0, err
	}
	return e.wire, monitor.PID, nil
}

// beginMonitor begins to start a monitor and returns the connection to it.
func beginMonitor(ns *userns.Namespace) (*userns.Begun, *wire, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "monitor")
	defer theirs.Close()
	w, err := wireOf(os.NewFile(uintptr(pair[0]), "monitor"))
	if err != nil {
		return nil, nil, err
	}
	// One processor is enough for what mostly waits, and each further one costs
	// the Go runtime memory that the monitor would hold as long as it lives.
	monitor, err := ns.Begin(userns.Command{
		Args: []string{"rl", "monitor"}, Files: []*os.File{nil, nil, os.Stderr, theirs},
		Dir: "/", Session: true, Mounts: true, Sealed: true, Env: []string{"GOMAXPROCS=1"},
	})
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return monitor, w, nil
}

// lendGroup has real root give the monitor, which is another user, a cgroup to
// work in. Without one the monitor refuses limits, by name, as for a user.
func (r *Runner) lendGroup(monitor int, parent string) error {
	if r.UID != 0 {
		return nil
	}
	err := cgroup2.Lend(context.Background(), monitor, int(r.namespace.UIDs[0].Host), int(r.namespace.GIDs[0].Host), parent)
	if parent == "" {
		return nil
	}
	return err
}

// parentOf is the --cgroup-parent of the container that a request is about.
func (r *Runner) parentOf(request Request) string {
	if request.Create != nil {
		return request.Create.Options.CgroupParent
	}
	v, err := r.Load(request.ID)
	if err != nil {
		return "" // the monitor will say so
	}
	return v.Options.CgroupParent
}

// nameOwner adds to the error about a port that is taken which process has it,
// if it is the person's own. The network process, which met the error, sees no
// processes outside the user namespace.
func (r *Runner) nameOwner(request Request, err error) error {
	if err == nil || !strings.Contains(err.Error(), slirp.ErrPortInUse.Error()) || strings.Contains(err.Error(), slirp.ByContainer) {
		return err
	}
	var ports []slirp.PortMapping
	if request.Create != nil {
		ports = request.Create.Ports
	} else if v, failed := r.Load(request.ID); failed == nil {
		ports = v.Ports
	}
	for _, p := range ports {
		if owner := slirp.PortOwner(p); owner != "" {
			return failf("%w: port %d belongs to %s", err, p.Host, owner)
		}
	}
	return err
}

// ask sends a request and reads the answer, resolving the image in between if
// that is what the monitor lacks.
func (r *Runner) ask(w *wire, request Request, image string, files []*os.File) (*Session, error) {
	for tries := 0; ; tries++ {
		if err := w.sendFirst(request, files...); err != nil {
			return nil, fmt.Errorf("talk to the container's monitor: %w", err)
		}
		var reply Reply
		if err := w.receiveJSON(frameReply, &reply); err != nil {
			return nil, failf("the container's monitor ended unexpectedly: %w", err)
		}
		if !reply.Unresolved {
			return &Session{ID: reply.ID, Notes: reply.Notes, store: r.Store, wire: w, unit: request.Supervised}, reply.err()
		}
		if tries > 2 {
			return nil, failf("image %s keeps changing while it is looked up", image)
		}
		if err := r.resolve(image); err != nil {
			return nil, err
		}
	}
}

// dial connects to the monitor of a running container.
func (s Store) dial(ctx context.Context, id string) (*wire, error) {
	address, done, err := s.socketAddress(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %.12s", ErrNotRunning, id)
	}
	defer done()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", address.Name)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: %.12s", ErrNotRunning, id)
	}
	if err != nil {
		return nil, err
	}
	return newWire(conn.(*net.UnixConn)), nil
}

// request asks a running container's monitor for something.
func (s Store) request(ctx context.Context, request Request, files ...*os.File) (*wire, error) {
	w, err := s.dial(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if err := w.sendJSON(frameRequest, request, files...); err != nil {
		w.Close()
		return nil, fmt.Errorf("%w: %.12s", ErrNotRunning, request.ID)
	}
	return w, nil
}

// Attach connects to the streams of a running container.
func (s Store) Attach(ctx context.Context, id string, a Attach) (*Session, error) {
	w, err := s.request(ctx, Request{Op: OpAttach, ID: id, Attach: a})
	if err != nil {
		return nil, err
	}
	var reply Reply
	if err := w.receiveJSON(frameReply, &reply); err != nil {
		w.Close()
		return nil, fmt.Errorf("%w: %.12s", ErrNotRunning, id)
	}
	return &Session{ID: id, store: s, wire: w, guest: true}, reply.err()
}

// Kill sends a signal to a running container's first process.
func (s Store) Kill(ctx context.Context, id string, signal syscall.Signal) error {
	return s.sendSignal(ctx, id, signal, false)
}

func (s Store) sendSignal(ctx context.Context, id string, signal syscall.Signal, byUnit bool) error {
	w, err := s.request(ctx, Request{Op: OpKill, ID: id, Signal: int(signal), ByUnit: byUnit})
	if errors.Is(err, ErrNotRunning) {
		return s.killLost(id, signal, err)
	}
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = w.receiveReply(id)
	return err
}

// killLost signals a container whose monitor was killed.
func (s Store) killLost(id string, signal syscall.Signal, notRunning error) error {
	v, err := s.Load(id)
	if err != nil || !v.State.live() {
		return notRunning
	}
	fd, err := unix.PidfdOpen(v.Init.PID, 0)
	if err != nil {
		return notRunning
	}
	defer unix.Close(fd)
	if !v.Init.Alive() { // the id is another process's by now
		return notRunning
	}
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(fd, signal, nil, 0))
}

// Stop sends signal (0: the container's own), kills after timeout (nil: the
// container's own) and returns when the container has ended. What ExecStop of a
// unit runs, which has SERVICE_RESULT (systemd.exec(5)), is no person's wish.
func (s Store) Stop(ctx context.Context, id string, signal syscall.Signal, timeout *time.Duration) error {
	w, err := s.request(ctx, Request{Op: OpStop, ID: id, Signal: int(signal), Timeout: timeout, ByUnit: os.Getenv("SERVICE_RESULT") != ""})
	if errors.Is(err, ErrNotRunning) {
		if v, loadErr := s.Load(id); loadErr == nil && v.State.live() {
			return killAndWait(ctx, v.Init)
		}
		return err
	}
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = w.awaitExit(ctx)
	return err
}

// Wait returns how a container ended, at once if it is not running.
func (s Store) Wait(ctx context.Context, id string) (Exit, error) {
	w, err := s.request(ctx, Request{Op: OpWait, ID: id})
	if err == nil {
		defer w.Close()
		exit, err := w.exitFrame(ctx)
		if err == nil {
			return exit, nil
		}
	}
	// It may have ended just now, and its monitor be about to write that down.
	v, err := s.Load(id)
	for err == nil && v.Active() {
		if err := s.awaitLost(ctx, v.State); err != nil {
			return Exit{}, err
		}
		if err := pause(ctx); err != nil {
			return Exit{}, err
		}
		v, err = s.Load(id)
	}
	if errors.Is(err, os.ErrNotExist) {
		return Exit{}, fmt.Errorf("%w: %.12s", ErrNotFound, id)
	}
	return Exit{Code: v.ExitCode, OOMKilled: v.OOMKilled, Limit: v.Limit}, err
}

// awaitLost waits for the end of a container whose monitor was killed.
func (s Store) awaitLost(ctx context.Context, st State) error {
	fd, err := unix.PidfdOpen(st.Init.PID, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	return waitReadable(ctx, fd)
}

// errHungUp is a connection that the monitor closed without a word.
var errHungUp = errors.New("the container's monitor hung up")

// awaitExit returns how a process ended, for a lost monitor that it was killed.
func (w *wire) awaitExit(ctx context.Context) (Exit, error) {
	exit, err := w.exitFrame(ctx)
	if errors.Is(err, errHungUp) {
		return Exit{Code: LostExitCode, Error: "its monitor was killed"}, nil
	}
	return exit, err
}

// exitFrame passes over frames until the one that says how it ended.
func (w *wire) exitFrame(ctx context.Context) (Exit, error) {
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	defer stop()
	for {
		kind, payload, err := w.receive()
		if ctx.Err() != nil {
			return Exit{}, ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
			return Exit{}, errHungUp
		}
		if err != nil {
			return Exit{}, err
		}
		if kind == frameExit {
			return decodeExit(payload)
		}
	}
}
