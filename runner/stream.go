package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ErrDetached is returned when the person left a container by its detach keys.
var ErrDetached = errors.New("detached")

// ErrLeftBehind is returned where an attached command read nothing for so long that
// the container's output went on without it.
var ErrLeftBehind = fmt.Errorf("nothing was read here for %v, and the output goes on without this command: attach again, or read all of it with rl logs", guestPatience)

// Streams are a command's side of a container's streams.
type Streams struct {
	In       *os.File // nil sends nothing
	Out, Err io.Writer
	// TTY says that the container has a terminal: In, if it is one too, is
	// put into raw mode meanwhile.
	TTY bool
	// DetachKeys leave the container; empty for none.
	DetachKeys []byte
	// Signals forwards the signals that this process receives.
	Signals bool
	// Early are signals that came before there was a container to take them; it
	// gets them first. nil for none.
	Early *Signals
}

// Signals collects the signals that come while a container is being started:
// it cannot hear yet, and if they ended this process, it would go on with nobody
// attending to it.
type Signals struct{ caught chan os.Signal }

// CatchSignals begins to collect.
func CatchSignals() *Signals {
	s := &Signals{make(chan os.Signal, 16)}
	signal.Notify(s.caught, forwarded...)
	return s
}

// Stop ends the collection.
func (s *Signals) Stop() {
	if s != nil {
		signal.Stop(s.caught)
	}
}

// Ending returns the first signal that came and would have ended this process,
// 0 for none.
func (s *Signals) Ending() syscall.Signal {
	for {
		select {
		case received := <-s.caught:
			switch n := received.(syscall.Signal); n {
			case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
				return n
			}
		default:
			return 0
		}
	}
}

// Stream passes data between the command and the container until the container
// has ended or the person leaves (ErrDetached). It is for the last thing that a
// process does: signals go to the container as long as the process lives.
func (s *Session) Stream(st Streams) (Exit, error) {
	restore, err := st.raw()
	if err != nil {
		return Exit{}, err
	}
	defer restore()
	s.forwardSignals(st)
	detached := make(chan struct{})
	if st.In != nil {
		go func() {
			if errors.Is(s.sendInput(st), ErrDetached) {
				close(detached)
				s.wire.conn.CloseRead()
			}
		}()
	}
	exit, err := s.receive(st)
	select {
	case <-detached:
		return Exit{}, ErrDetached
	default:
		return exit, err
	}
}

// receive writes the container's output until its end.
func (s *Session) receive(st Streams) (Exit, error) {
	for {
		kind, payload, err := s.wire.receive()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) {
			return s.lost()
		}
		if err != nil {
			return Exit{}, err
		}
		switch kind {
		case frameStdout:
			_, err = st.Out.Write(payload)
		case frameStderr:
			_, err = st.Err.Write(payload)
		case frameExit:
			return decodeExit(payload)
		}
		if err != nil {
			return Exit{}, fmt.Errorf("pass on the container's output: %w", err)
		}
	}
}

// lost says why the monitor sends nothing more: it was killed, or it has stopped to
// wait for this command, and listens still unless the container has ended since.
func (s *Session) lost() (Exit, error) {
	v, err := s.store.Load(s.ID)
	ended := err != nil || v.FinishedAt.After(v.StartedAt)
	if s.guest && (ended || s.wire.send(frameResize, []byte("{}")) == nil) {
		return Exit{}, ErrLeftBehind
	}
	return Exit{Code: LostExitCode, Error: "the container's monitor was killed, and the container with it"}, nil
}

func decodeExit(payload []byte) (Exit, error) {
	var exit Exit
	err := json.Unmarshal(payload, &exit)
	return exit, err
}

// sendInput passes stdin on until its end.
func (s *Session) sendInput(st Streams) error {
	input := io.Reader(st.In)
	if len(st.DetachKeys) > 0 && term.IsTerminal(int(st.In.Fd())) {
		input = &keyReader{from: st.In, keys: st.DetachKeys}
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := input.Read(buffer)
		if n > 0 {
			if err := s.wire.send(frameStdin, buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return s.wire.send(frameStdinEnd, nil)
		}
		if err != nil {
			return err
		}
	}
}

// raw puts the terminal into raw mode, for a container with one of its own.
func (st Streams) raw() (restore func(), err error) {
	if !st.TTY || st.In == nil || !term.IsTerminal(int(st.In.Fd())) {
		return func() {}, nil
	}
	fd := int(st.In.Fd())
	old, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	cooked := func() { term.Restore(fd, old) }
	stop := st.restoreFirst(cooked) // before, so that no signal finds it raw
	if _, err := term.MakeRaw(fd); err != nil {
		stop()
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() { stop(); cooked() }, nil
}

// restoreFirst gives the terminal back before a signal ends this process. Where
// signals are passed on to the container, none does.
func (st Streams) restoreFirst(restore func()) (stop func()) {
	if st.Signals {
		return func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	go func() {
		if s, ok := <-signals; ok {
			restore()
			signal.Reset(s)
			unix.Kill(os.Getpid(), s.(syscall.Signal))
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

// forwarded are the signals that mean something to a program. Those of job
// control and of faults are this process's own; by SIGPIPE it ends as other
// programs do when nobody reads their output.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGWINCH, unix.SIGPWR,
}

// forwardSignals sends the signals of this process to the container, and the
// size of its terminal when that changes. Signals have a connection of their
// own: on this one they would wait behind input that the container does not read.
func (s *Session) forwardSignals(st Streams) {
	signals := make(chan os.Signal, 16)
	if st.TTY {
		signal.Notify(signals, unix.SIGWINCH)
	}
	if st.Signals {
		signal.Notify(signals, forwarded...)
	}
	st.Early.Stop()
	go func() {
		s.sendEarly(st.Early)
		for received := range signals {
			switch received {
			case unix.SIGWINCH:
				if size := TerminalSize(st.In); st.TTY && size != (Size{}) {
					s.wire.sendJSON(frameResize, size)
				} else if !st.TTY {
					s.pass(received)
				}
			default:
				s.pass(received)
			}
		}
	}()
}

// pass sends the container a signal that this process got. In a unit that is
// systemd's doing, when a start takes too long for example, and no person's.
func (s *Session) pass(received os.Signal) {
	s.store.sendSignal(context.Background(), s.ID, received.(syscall.Signal), s.unit)
}

// sendEarly passes on the signals that came before the container ran.
func (s *Session) sendEarly(early *Signals) {
	for early != nil {
		select {
		case received := <-early.caught:
			if received != unix.SIGWINCH {
				s.pass(received)
			}
		default:
			return
		}
	}
}

// TerminalSize returns the size of a terminal, zero where f is none.
func TerminalSize(f *os.File) Size {
	if f == nil {
		return Size{}
	}
	cols, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return Size{}
	}
	return Size{uint16(rows), uint16(cols)}
}

// keyReader passes bytes through until the detach keys were typed. Keys that
// only began like them are passed on once that is clear.
type keyReader struct {
	from    io.Reader
	keys    []byte
	matched int
	pending []byte // to be returned by the next Read
	err     error
}

func (r *keyReader) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		buffer := make([]byte, len(p))
		n, err := r.from.Read(buffer)
		r.err = err
		r.feed(buffer[:n])
		if len(r.pending) == 0 {
			return 0, r.err
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

func (r *keyReader) feed(typed []byte) {
	for _, b := range typed {
		if b == r.keys[r.matched] {
			if r.matched++; r.matched == len(r.keys) {
				r.err = ErrDetached
				return
			}
			continue
		}
		r.pending = append(r.pending, r.keys[:r.matched]...)
		r.matched = 0
		if b == r.keys[0] {
			r.matched = 1
			continue
		}
		r.pending = append(r.pending, b)
	}
}
