package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a command may take, and an event may be waited for,
// before a test fails: far longer than either needs on a busy machine.
const patience = 60 * time.Second

// Cmd is a command that is about to run in an Env.
type Cmd struct {
	env   *Env
	path  string
	args  []string
	stdin io.Reader
	vars  []string
	dir   string
	files []*os.File
	limit time.Duration
}

// Cmd is the program under test with arguments.
func (e *Env) Cmd(args ...string) *Cmd { return e.Tool(e.Prog, args...) }

// Tool is another program, run as the Env's account with its environment.
func (e *Env) Tool(path string, args ...string) *Cmd {
	return &Cmd{env: e, path: path, args: args, dir: e.Home, limit: patience}
}

// Input gives the command text to read; without it, it reads /dev/null.
func (c *Cmd) Input(text string) *Cmd { return c.Stdin(strings.NewReader(text)) }

// Stdin gives the command something to read.
func (c *Cmd) Stdin(r io.Reader) *Cmd { c.stdin = r; return c }

// Set adds a NAME=VALUE to the environment.
func (c *Cmd) Set(pair string) *Cmd { c.vars = append(c.vars, pair); return c }

// In sets the working directory, which is otherwise the home.
func (c *Cmd) In(dir string) *Cmd { c.dir = dir; return c }

// Within changes how long the command may take.
func (c *Cmd) Within(d time.Duration) *Cmd { c.limit = d; return c }

// Files gives the command open files from descriptor 3 on.
func (c *Cmd) Files(f ...*os.File) *Cmd { c.files = append(c.files, f...); return c }

// Process is the process to start; the account's groups are its own one only.
func (c *Cmd) Process(ctx context.Context) *exec.Cmd {
	x := exec.CommandContext(ctx, c.path, c.args...)
	x.Env = append(c.env.Vars(), c.vars...)
	x.Dir = c.dir
	x.Stdin = c.stdin
	x.ExtraFiles = c.files
	x.SysProcAttr = &syscall.SysProcAttr{}
	if a := c.env.Account; a.UID != os.Geteuid() {
		x.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	}
	return x
}

// Result is what a command gave. A process that a signal ended has code 128+n,
// as a shell says it.
type Result struct {
	Args     []string
	Code     int
	Out, Err string
}

// Run runs the command to its end. The test fails when the command cannot be
// started, takes too long, or leaves its output held open by another process.
func (c *Cmd) Run(t testing.TB) Result {
	t.Helper()
	r, err := c.Do()
	if err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	return r
}

// Do is Run outside of a test.
func (c *Cmd) Do() (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.limit)
	defer cancel()
	x := c.Process(ctx)
	var out, errs bytes.Buffer
	x.Stdout, x.Stderr = &out, &errs
	x.WaitDelay = 5 * time.Second
	if err := c.env.mounts.start(x); err != nil {
		return Result{Args: c.args}, err
	}
	err := x.Wait()
	r := Result{Args: c.args, Code: exitCode(x.ProcessState), Out: out.String(), Err: errs.String()}
	if ctx.Err() != nil {
		return r, fmt.Errorf("not done after %v", c.limit)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return r, errors.New("it ended, but another process holds its output open")
	}
	return r, nil
}

func (c *Cmd) String() string { return c.path + " " + strings.Join(c.args, " ") }

func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// String shows the result in a failure message.
func (r Result) String() string {
	var b strings.Builder
	b.WriteString("`" + strings.Join(r.Args, " ") + "` ended with " + itoa(r.Code))
	for _, s := range []struct{ name, text string }{{"stdout", r.Out}, {"stderr", r.Err}} {
		if s.text != "" {
			b.WriteString("\n" + s.name + ": " + shorten(s.text))
		}
	}
	return b.String()
}

// OK fails the test unless the command ended with 0, and returns its output
// without the last newline.
func (r Result) OK(t testing.TB) string {
	t.Helper()
	if r.Code != 0 {
		t.Fatal(r)
	}
	return strings.TrimSuffix(r.Out, "\n")
}

// Exits fails the test unless the command ended with code.
func (r Result) Exits(t testing.TB, code int) Result {
	t.Helper()
	if r.Code != code {
		t.Fatalf("want exit code %d: %s", code, r)
	}
	return r
}

// Says fails the test unless stderr contains every one of words.
func (r Result) Says(t testing.TB, words ...string) Result {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.Err, w) {
			t.Errorf("stderr lacks %q: %s", w, r)
		}
	}
	return r
}

// OK runs rl, which must end with 0, and returns its output without the last
// newline.
func (e *Env) OK(t testing.TB, args ...string) string {
	t.Helper()
	return e.Cmd(args...).Run(t).OK(t)
}

// Run runs rl and returns what it gave.
func (e *Env) Run(t testing.TB, args ...string) Result {
	t.Helper()
	return e.Cmd(args...).Run(t)
}

// Want runs rl, which must end with 0 and print exactly want and a newline.
func (e *Env) Want(t testing.TB, want string, args ...string) {
	t.Helper()
	if got := e.OK(t, args...); got != want {
		t.Errorf("rl %s\n got %q\nwant %q", strings.Join(args, " "), got, want)
	}
}
