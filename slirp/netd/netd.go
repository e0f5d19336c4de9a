// Package netd is the network process: one per user, shared by all of that
// user's containers.
//
// It lives in rl's user namespace, where it has every capability, but in the
// host's network namespace, so that it can listen on host ports and ask the
// host's resolvers. The bridges' network namespace is reached through one
// thread that was created there and never leaves but for container namespaces:
// a thread cannot come back to the host's namespace, which belongs to
// another user namespace. Sockets made on that thread belong to the bridges'
// namespace whoever uses them later.
//
//	container eth0 --veth-- rl0 (bridge) --masquerade-- up0 (tap) -- uplink process -- host
//	container eth1 --veth-- one more bridge for each user-defined network -- up0
//	host port -- this process -- socket made in the bridge's namespace -- container
//	container -- name server on rl0's address -- host's resolvers
//
// What containers may reach outside (egress) is in tables of nftables of their
// own, which hold while this process is dead.
//
// It starts with the first container that needs it and ends some seconds after
// the last one. It may be killed at any moment: the bridge's namespace lives on
// in its clients' hands, and they start another process and tell it what they
// have.
//
// Only the program that runs as network process should import this package: it
// links netlink, nftables and a DNS library.
package netd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rl-project/rl/slirp"
)

// defaultLinger is how long the process stays after its last container. The
// first start of everything costs some 20 ms, an attachment to a running
// process 2: a loop of short `rl run` should pay the first only once.
const defaultLinger = 5 * time.Second

// Options of the network process.
type Options struct {
	// RuntimeDir holds its socket and lock; private to the user.
	RuntimeDir string
	// Uplinks to try, in this order, whatever their version. Empty means
	// slirp.Uplinks, those that are recent enough.
	Uplinks []string
	// Builtin gives the command of the built-in uplink (slirp/gvisor), which
	// may have to be unpacked first. nil: there is none in this program.
	Builtin func() (argv []string, err error)
	// Taken lists the subnets of the user's other networks, which the default one
	// is to leave alone. It may be nil.
	Taken func() []netip.Prefix
	// Denied is told what containers tried that their egress policy does not
	// allow, each thing once in a while. It may be nil.
	Denied func(slirp.Denial)
	// ResolvConf is the host's resolver configuration; empty means
	// /etc/resolv.conf.
	ResolvConf string
	// Linger after the last container; 0 means defaultLinger.
	Linger time.Duration
	// Log receives one line per fault; nil discards them.
	Log io.Writer
}

// Serve is the network process. It returns nil when no container has needed it
// for a while, or when ctx ends. The caller is in rl's user namespace, with all
// capabilities there, and in the host's network namespace. When clients can
// connect, one byte is written to ready, which may be nil, and it is closed.
//
// Descriptors that the process inherited beyond the first three and ready are
// closed.
func Serve(ctx context.Context, ready *os.File, opts Options) error {
	closeStrays(ready)
	saveMemory()
	allowManyFiles()
	opts = withDefaults(opts)
	lock, err := lockInstance(ctx, opts.RuntimeDir)
	if errors.Is(err, errServed) {
		tell(ready)
		return nil
	}
	if err != nil {
		return fmt.Errorf("network process: %w", err)
	}
	defer lock.Close()
	socket, err := listen(opts.RuntimeDir)
	if err != nil {
		return fmt.Errorf("network process: %w", err)
	}
	s := newServer(opts, socket)
	tell(ready)
	defer context.AfterFunc(ctx, s.stop)()
	return s.run()
}

// saveMemory trades time, of which the process needs little, for the memory
// that it holds as long as any container runs.
func saveMemory() {
	debug.SetGCPercent(25)
	// Every processor comes with caches of its own; what is to be done is
	// mostly the kernel's work.
	runtime.GOMAXPROCS(min(maxProcessors, runtime.NumCPU()))
}

const maxProcessors = 4

// allowManyFiles lets the uplink have as many connections as this process: the
// runtime raises the soft limit for itself but not for its children unless it
// is set explicitly.
func allowManyFiles() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

func withDefaults(opts Options) Options {
	if opts.ResolvConf == "" {
		opts.ResolvConf = "/etc/resolv.conf"
	}
	if opts.Linger == 0 {
		opts.Linger = defaultLinger
	}
	if opts.Denied == nil {
		opts.Denied = func(slirp.Denial) {}
	}
	opts.Denied = onceInAWhile(opts.Denied)
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	return opts
}

// tell says that clients can connect.
func tell(ready *os.File) {
	if ready != nil {
		ready.Write([]byte{'r'})
		ready.Close()
	}
}

// socket is where monitors connect.
type socket struct {
	*net.UnixListener
	path string
	file os.FileInfo // of path, when it was made
	// crashed: the process before was killed. One that ends properly takes its
	// socket away.
	crashed bool
}

func listen(dir string) (*socket, error) {
	s := &socket{path: filepath.Join(dir, slirp.SocketName)}
	err := os.Remove(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.crashed = err == nil
	address, done, err := slirp.SocketAddress(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if s.UnixListener, err = net.ListenUnix("unix", address); err != nil {
		return nil, err
	}
	s.SetUnlinkOnClose(false)
	if err = os.Chmod(s.path, 0o600); err == nil {
		s.file, err = os.Stat(s.path)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// remove closes the socket. Its file is another's if the whole folder was
// replaced, as logging out and in again does with the runtime folder.
func (s *socket) remove() {
	if now, err := os.Stat(s.path); err == nil && os.SameFile(now, s.file) {
		os.Remove(s.path)
	}
	s.Close()
}

func newLogger(w io.Writer) *log.Logger {
	return log.New(w, "rl netd: ", log.LstdFlags|log.Lmsgprefix)
}
