package slirp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/process"
)

// SocketName is where the network process listens, in the runtime folder.
const SocketName = "netd.sock"

// startLockName is held by the client that starts a network process.
const startLockName = "netd.start.lock"

// dialOrStart connects to the running network process, else starts one. The
// start lock makes sure that of several clients one starts it and the others
// wait for that.
func dialOrStart(ctx context.Context, opts Options) (*connection, error) {
	conn, err := dial(opts.RuntimeDir)
	if err == nil {
		return conn, nil
	}
	lock, err := lockStart(ctx, opts.RuntimeDir)
	if err != nil {
		return nil, fmt.Errorf("waiting to start the network process: %w", err)
	}
	defer lock.Close()
	if conn, err := dial(opts.RuntimeDir); err == nil {
		return conn, nil
	}
	if err := start(ctx, opts); err != nil {
		return nil, fmt.Errorf("starting the network process: %w", err)
	}
	conn, err = dial(opts.RuntimeDir)
	if err != nil {
		return nil, fmt.Errorf("the network process started but does not answer: %w: %w", errEnded, err)
	}
	return conn, nil
}

// SocketAddress returns an address of the network process's socket in the
// folder dir, and a function to call after use. It fits the 108 bytes of a Unix
// socket address however long the folder's path is.
func SocketAddress(dir string) (*net.UnixAddr, func(), error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd())), SocketName)
	return &net.UnixAddr{Name: path, Net: "unix"}, func() { f.Close() }, nil
}

// greeting is the byte a network process sends to each client it accepts. A
// connection that the kernel queued at one that was just ending never gets it.
const greeting = 'n'

func dial(dir string) (*connection, error) {
	address, done, err := SocketAddress(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	socket, err := net.DialUnix("unix", nil, address)
	if err != nil {
		return nil, err
	}
	if err := awaitGreeting(socket); err != nil {
		socket.Close()
		return nil, err
	}
	return newConnection(socket), nil
}

// Answers reports whether a network process serves the folder dir.
func Answers(dir string) bool {
	conn, err := dial(dir)
	if err != nil {
		return false
	}
	conn.socket.Close()
	return true
}

func awaitGreeting(socket *net.UnixConn) error {
	socket.SetReadDeadline(time.Now().Add(startTimeout))
	defer socket.SetReadDeadline(time.Time{})
	var b [1]byte
	if _, err := io.ReadFull(socket, b[:]); err != nil {
		return err
	}
	if b[0] != greeting {
		return errors.New("the network process greets like another version")
	}
	return nil
}

// Greet is the network process's side of a client's connecting.
func Greet(socket *net.UnixConn) error {
	_, err := socket.Write([]byte{greeting})
	return err
}

// lockStart takes the start lock. The wait is bounded by whoever holds it:
// start gives up after startTimeout.
func lockStart(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, startLockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	locked := make(chan error, 1)
	go func() { locked <- flock(f) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		go func() { <-locked; f.Close() }()
		return nil, ctx.Err()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			return err
		}
	}
}

// start runs the network process in a session of its own and waits until it
// listens, which it says by a byte on descriptor 3.
func start(ctx context.Context, opts Options) error {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	child, err := spawn(opts, theirs)
	theirs.Close()
	if err != nil {
		return err
	}
	go child.Wait() // so that no zombie stays when it ends before this process
	if err := awaitReady(ctx, ready); err != nil {
		return err
	}
	return nil
}

func spawn(opts Options, ready *os.File) (*process.Child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log := opts.Log
	if log == nil {
		log = null
	}
	argv := opts.Command
	if len(argv) == 0 {
		argv = []string{"/proc/self/exe", "netd"}
		if opts.Uplink != "" {
			argv = append(argv, opts.Uplink)
		}
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir:   "/",
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), null.Fd(), log.Fd(), ready.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	return &process.Child{PID: pid}, os.NewSyscallError("exec "+argv[0], err)
}

// errEnded is a network process that failed, or was killed, at once.
var errEnded = errors.New("it ended before it was ready")

func awaitReady(ctx context.Context, ready *os.File) error {
	stop := context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Now()) })
	defer stop()
	if err := ready.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	var b [1]byte
	_, err := io.ReadFull(ready, b[:])
	if err == io.EOF {
		return errEnded
	}
	return err
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicating the network namespace's descriptor: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
