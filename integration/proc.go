package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proc is a running command.
type Proc struct {
	cmd  *Cmd
	x    *exec.Cmd
	out  *capture
	errs *capture
	done chan struct{}
}

// Start starts the command and leaves it running; it is killed when the test
// ends, if it still runs then.
func (c *Cmd) Start(t testing.TB) *Proc {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proc{cmd: c, x: c.Process(ctx), out: newCapture(), errs: newCapture(), done: make(chan struct{})}
	p.x.Stdout, p.x.Stderr = p.out, p.errs
	p.x.WaitDelay = 5 * time.Second
	if err := c.env.mounts.start(p.x); err != nil {
		cancel()
		t.Fatalf("%s: %v", c, err)
	}
	go func() {
		p.x.Wait()
		p.out.close()
		p.errs.close()
		close(p.done)
	}()
	t.Cleanup(func() { cancel(); <-p.done })
	return p
}

// PID is the process id of the command.
func (p *Proc) PID() int { return p.x.Process.Pid }

// Expect waits until stdout, from where the last Expect ended, contains text.
func (p *Proc) Expect(t testing.TB, text string) string {
	t.Helper()
	got, err := p.out.expect(text)
	if err != nil {
		t.Fatalf("%s: stdout: %v; stderr: %s", p.cmd, err, shorten(p.errs.String()))
	}
	return got
}

// ExpectErr is Expect for stderr.
func (p *Proc) ExpectErr(t testing.TB, text string) string {
	t.Helper()
	got, err := p.errs.expect(text)
	if err != nil {
		t.Fatalf("%s: stderr: %v", p.cmd, err)
	}
	return got
}

// Signal sends the command a signal.
func (p *Proc) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.x.Process.Signal(s); err != nil {
		t.Fatalf("%s: send %v: %v", p.cmd, s, err)
	}
}

// Wait waits for the end of the command.
func (p *Proc) Wait(t testing.TB) Result {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(p.cmd.limit):
		t.Fatalf("not done after %v: %s\nstdout: %s\nstderr: %s", p.cmd.limit, p.cmd,
			shorten(p.out.String()), shorten(p.errs.String()))
	}
	return Result{Args: p.cmd.args, Code: exitCode(p.x.ProcessState), Out: p.out.String(), Err: p.errs.String()}
}

// capture collects what a process writes and lets a test wait for a text in it.
type capture struct {
	mu     sync.Mutex
	text   []byte
	seen   int // where the last expect ended
	closed bool
	change chan struct{} // closed and made anew whenever text grows
}

func newCapture() *capture { return &capture{change: make(chan struct{})} }

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b...)
	c.wake()
	return len(b), nil
}

func (c *capture) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}

func (c *capture) wake() {
	close(c.change)
	c.change = make(chan struct{})
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// find looks for want after what was seen and returns the text up to its end.
func (c *capture) find(want string) (got string, found, closed bool, change chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := string(c.text[c.seen:])
	if i := strings.Index(rest, want); i >= 0 {
		c.seen += i + len(want)
		return rest[:i+len(want)], true, c.closed, nil
	}
	return rest, false, c.closed, c.change
}

func (c *capture) expect(want string) (string, error) {
	limit := time.After(patience)
	for {
		got, found, closed, change := c.find(want)
		if found {
			return got, nil
		}
		if closed {
			return got, fmt.Errorf("it ended without %q, after %q", want, shorten(got))
		}
		select {
		case <-change:
		case <-limit:
			return got, fmt.Errorf("no %q in %v, only %q", want, patience, shorten(got))
		}
	}
}

// shorten keeps failure messages readable when a command wrote megabytes.
func shorten(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return s[:most/2] + "\n... " + itoa(len(s)-most) + " bytes ...\n" + s[len(s)-most/2:]
}

func itoa(n int) string { return strconv.Itoa(n) }
