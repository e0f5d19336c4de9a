package netd

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// readyTimeout is how long an uplink may take to open the tap device
	// before the next kind is tried. They need some milliseconds.
	readyTimeout = 5 * time.Second
	// An uplink that lived shorter than quickDeath for the second time in a row
	// is not restarted at once, and each time later, up to maxPause.
	quickDeath = time.Second
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// uplink keeps one uplink process running.
type uplink struct {
	candidates []candidate
	log        *log.Logger
	ns         *namespace
	h          *netlink.Handle // in ns

	quit chan struct{} // closed by stop
	done chan struct{} // closed when the process has ended for good

	mu      sync.Mutex
	settled chan struct{} // closed when the present attempt has come to name or err
	name    string        // of the running uplink
	pid     int
	err     error // why none runs
}

// newUplink prepares the tap device. A machine without one has no uplink, but
// its containers may still reach one another.
func newUplink(opts Options, log *log.Logger, ns *namespace, h *netlink.Handle, exists bool) (*uplink, error) {
	u := &uplink{log: log, ns: ns, h: h, quit: make(chan struct{}), done: make(chan struct{}), settled: make(chan struct{})}
	if _, err := h.LinkByName(tapName); !exists || err != nil {
		if err := createTap(ns, h); err != nil {
			u.err = fmt.Errorf("no tap device: %w", err)
			return u, nil
		}
	}
	u.candidates = candidates(opts)
	return u, nil
}

func (u *uplink) start() {
	if u.err != nil {
		close(u.settled)
		close(u.done)
		return
	}
	go u.supervise()
}

// wait returns the name of the running uplink once there is one. A connection
// tried before that would be refused for want of a route.
func (u *uplink) wait(ctx context.Context) (string, error) {
	u.mu.Lock()
	settled := u.settled
	u.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.name, u.err
}

func (u *uplink) running() (name string, pid int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.name, u.pid
}

// stop ends the process and waits until it is gone.
func (u *uplink) stop() {
	close(u.quit)
	<-u.done
}

// supervise runs uplinks until stop. It keeps its thread for itself because
// the kernel sends the parent-death signal when the thread that forked ends.
func (u *uplink) supervise() {
	runtime.LockOSThread()
	defer close(u.done)
	var pause time.Duration
	for {
		began := time.Now()
		err := u.runBest()
		if u.stopped() {
			return
		}
		u.log.Printf("uplink: %v", err)
		if time.Since(began) > quickDeath {
			pause = 0
			continue
		}
		if !u.pause(pause) {
			return
		}
		pause = min(max(firstPause, 2*pause), maxPause)
	}
}

func (u *uplink) stopped() bool {
	select {
	case <-u.quit:
		return true
	default:
		return false
	}
}

func (u *uplink) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-u.quit:
		return false
	}
}

// runBest runs the first candidate that becomes ready, until it ends.
func (u *uplink) runBest() error {
	u.begin()
	var failures []error
	for _, c := range u.candidates {
		ready, err := u.run(c)
		if ready || u.stopped() {
			return err
		}
		failures = append(failures, fmt.Errorf("%s: %w", c.name, err))
	}
	err := fmt.Errorf("no uplink works: %w", errors.Join(failures...))
	u.settle("", 0, err)
	return err
}

// begin opens a new attempt, if the one before was over.
func (u *uplink) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.name != "" || u.err != nil {
		u.settled = make(chan struct{})
		u.name, u.pid, u.err = "", 0, nil
	}
}

func (u *uplink) settle(name string, pid int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.name, u.pid, u.err = name, pid, err
	close(u.settled)
}

// run runs one candidate until it ends and reports whether it was ever ready.
func (u *uplink) run(c candidate) (ready bool, err error) {
	// The process before may still be on its way out.
	if !u.tapBecomes(false, u.quit) {
		return false, errors.New("the tap device is in use by a process that does not end")
	}
	ipv6 := c.ipv6.gateway.IsValid() && hostHasIPv6()
	if err := leadIPv6(u.ns, u.h, c.ipv6, ipv6); err != nil {
		u.log.Printf("uplink: without IPv6: %v", err) // as where /proc/sys cannot be written
		ipv6 = false
	}
	cmd, err := c.command(u.ns, ipv6)
	if err != nil {
		return false, err
	}
	var complaints tail
	cmd.Stderr, cmd.Stdout = &complaints, &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	err = cmd.Start()
	closeAll(cmd.ExtraFiles)
	if err != nil {
		return false, err
	}
	ended := make(chan struct{})
	result := make(chan bool, 1)
	go func() { result <- u.attend(c, cmd.Process, ended) }()
	err = cmd.Wait()
	close(ended)
	return <-result, fmt.Errorf("it ended (%w): %s", orExit(err), complaints.String())
}

// attend settles the attempt when the process is ready, and kills it on stop
// or when it does not come that far.
func (u *uplink) attend(c candidate, process *os.Process, ended <-chan struct{}) (ready bool) {
	if ready = u.tapBecomes(true, ended); ready {
		u.settle(c.name, process.Pid, nil)
		select {
		case <-u.quit:
		case <-ended:
		}
	}
	process.Kill()
	<-ended
	return ready
}

// tapBecomes waits until the tap device is held open by a process and passes
// packets, or until it is not held. False means that instead stop was closed,
// or readyTimeout passed.
//
// The kernel's messages about this would come up to a second late when an
// uplink is replaced quickly. Looking takes 50 µs.
func (u *uplink) tapBecomes(open bool, stop <-chan struct{}) bool {
	timeout := time.After(readyTimeout)
	for tick := time.Tick(time.Millisecond); u.tapOpen() != open; {
		select {
		case <-tick:
		case <-stop:
			return false
		case <-timeout:
			return false
		}
	}
	return true
}

// tapOpen reports whether a process holds the tap device open. The flag tells
// so at once, the state only when the device's queue is ready too: before
// that, packets are dropped.
func (u *uplink) tapOpen() bool {
	link, err := u.h.LinkByName(tapName)
	return err == nil && link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0 && link.Attrs().OperState == netlink.OperUp
}

func orExit(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
