package runner

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/runner/logs"
)

// stdio is the monitor's side of a container's streams: what the container
// writes goes to the log and to every attached command, what attached
// commands send goes to the container.
type stdio struct {
	log   *logs.Writer
	pumps sync.WaitGroup
	// begin is closed once the command that started the container has its
	// answer: no output may come before that.
	begin   chan struct{}
	mu      sync.Mutex
	stdin   *os.File // nil once closed
	master  *os.File // the terminal, nil without one
	inner   *os.File // its inner side, held open until the container's end
	clients []*attached
}

// attached is one command that sees the container's streams.
//
// The one that started the container is a part of its pipeline: the container waits
// for it, as every program does for who reads its output. One that came later is a
// guest: it is waited for only while it reads.
type attached struct {
	wire *wire
	Attach
	guest bool
}

// guestPatience is how long a guest may read nothing while there is more to read.
// One that merely is slow takes a frame in far less, on any machine.
const guestPatience = 10 * time.Second

func (c *attached) send(kind frame, payload []byte) error {
	c.beginWrite()
	return c.wire.send(kind, payload)
}

func (c *attached) sendExit(e Exit) error {
	c.beginWrite()
	return c.wire.sendJSON(frameExit, e)
}

func (c *attached) beginWrite() {
	if c.guest {
		c.wire.conn.SetWriteDeadline(time.Now().Add(guestPatience))
	}
}

// open makes the pipes of a container without a terminal. child must be closed
// by the caller once the container has been forked.
func (s *stdio) open(withStdin bool) (ends boot.Stdio, child []*os.File, err error) {
	out, outChild, err := pipe()
	if err != nil {
		return ends, nil, err
	}
	s.pump(logs.Stdout, out)
	errs, errChild, err := pipe()
	if err != nil {
		return ends, []*os.File{outChild}, err
	}
	s.pump(logs.Stderr, errs)
	inChild, err := s.openStdin(withStdin)
	if err != nil {
		return ends, []*os.File{outChild, errChild}, err
	}
	child = []*os.File{inChild, outChild, errChild}
	return boot.Stdio{In: int(inChild.Fd()), Out: int(outChild.Fd()), Err: int(errChild.Fd())}, child, nil
}

func (s *stdio) openStdin(wanted bool) (child *os.File, err error) {
	if !wanted {
		return os.Open(os.DevNull)
	}
	child, s.stdin, err = inputPipe()
	return child, err
}

// pipe returns a pipe to read from. Only our end is non-blocking: the other one
// becomes a program's stdout, and programs do not expect that.
func pipe() (ours, child *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "output"), os.NewFile(uintptr(fds[1]), "output"), nil
}

// inputPipe is pipe the other way round.
func inputPipe() (child, ours *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	unix.SetNonblock(fds[1], true)
	return os.NewFile(uintptr(fds[0]), "stdin"), os.NewFile(uintptr(fds[1]), "stdin"), nil
}

// openTerminal takes the master side of the container's terminal. Programs may
// leave the terminal and come back to it, as an init system does with the
// console, so it has a user as long as the container lives.
func (s *stdio) openTerminal(master *os.File) error {
	inner, err := openInner(master)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.master, s.stdin, s.inner = master, master, inner
	s.mu.Unlock()
	s.pump(logs.Stdout, master)
	return nil
}

// openInner opens the inner side of a terminal.
func openInner(master *os.File) (inner *os.File, err error) {
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := raw.Control(func(fd uintptr) {
		peer, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			err = os.NewSyscallError("ioctl", errno)
			return
		}
		inner = os.NewFile(peer, "terminal")
	})
	return inner, errors.Join(failed, err)
}

// leave lets the terminal's end be seen: the container has no more processes.
func (s *stdio) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inner != nil {
		s.inner.Close()
		s.inner = nil
	}
}

// pump copies one stream until its end.
func (s *stdio) pump(stream logs.Stream, from *os.File) {
	s.pumps.Add(1)
	go func() {
		defer s.pumps.Done()
		defer from.Close()
		<-s.begin
		log := s.log.Stream(stream)
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				log.Write(buffer[:n])
				s.broadcast(stream, buffer[:n])
			}
			// A terminal answers EIO when its last user is gone.
			if err != nil {
				return
			}
		}
	}()
}

func (s *stdio) broadcast(stream logs.Stream, data []byte) {
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		kind, wanted := frameStdout, c.Stdout
		if stream == logs.Stderr {
			kind, wanted = frameStderr, c.Stderr
		}
		if wanted && c.send(kind, data) != nil {
			s.detach(c)
			c.wire.conn.CloseWrite() // it reads what has been sent, and then the end (see Session.lost)
		}
	}
}

func (s *stdio) attach(c *attached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	if c.Size != (Size{}) {
		// A program draws anew when the size has changed; without that, who
		// comes back to a terminal of the same size sees nothing.
		s.resize(Size{Rows: c.Size.Rows + 1, Cols: c.Size.Cols + 1})
	}
	s.resize(c.Size)
}

func (s *stdio) detach(c *attached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = slices.DeleteFunc(s.clients, func(other *attached) bool { return other == c })
}

// write sends data to the container's stdin.
func (s *stdio) write(data []byte) error {
	s.mu.Lock()
	stdin := s.stdin
	s.mu.Unlock()
	if stdin == nil {
		return io.ErrClosedPipe
	}
	_, err := stdin.Write(data)
	return err
}

// closeStdin tells the container that nothing more comes.
func (s *stdio) closeStdin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stdin != nil && s.master == nil {
		s.stdin.Close()
		s.stdin = nil
	}
}

// resize sets the terminal's size. The caller holds mu.
func (s *stdio) resize(size Size) {
	if s.master != nil && size != (Size{}) {
		setSize(s.master, size)
	}
}

func (s *stdio) resizeTo(size Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resize(size)
}

// drain waits until everything that the container wrote has been passed on.
func (s *stdio) drain() error {
	s.pumps.Wait()
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}

// dismiss is drain for streams whose container was not started.
func (s *stdio) dismiss() error {
	close(s.begin)
	return s.drain()
}

// setSize tells the terminal, and by a signal its programs, the window's size.
func setSize(terminal *os.File, size Size) error {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
	})
	return errors.Join(err, failed)
}
