package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// errDisconnected means that a command has no exit code, because the machine
// ended the connection or the command did not end.
var errDisconnected = errors.New("the command did not end")

// Login is a login session in the virtual machine, as sshd and systemd-logind
// make it: a scope of its own, XDG_RUNTIME_DIR, the user's systemd.
type Login struct{ client *ssh.Client }

// Login opens a session for "tester" or "root". Close is the logout.
func (vm *VM) Login(user string) (*Login, error) {
	l, err := vm.login(user)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	return l, nil
}

func (vm *VM) login(user string) (*Login, error) {
	conn, err := net.Dial("tcp", vm.address())
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	c, channels, requests, err := ssh.NewClientConn(conn, vm.address(), &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(vm.keys.login)},
		HostKeyCallback: ssh.FixedHostKey(vm.keys.host.PublicKey()),
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	conn.SetDeadline(time.Time{})
	return &Login{ssh.NewClient(c, channels, requests)}, nil
}

// Close logs out.
func (l *Login) Close() error { return l.client.Close() }

// Do runs a shell command in the session. One that takes longer than two
// minutes, or whose children hold its output for that long, is an error, and
// so is a machine that does not answer.
func (l *Login) Do(command string) (Result, error) {
	r := Result{Args: []string{"ssh", command}}
	out, errs := newCapture(), newCapture()
	done := make(chan error, 1)
	go func() { done <- l.run(command, out, errs) }()
	var err error
	select {
	case err = <-done:
	case <-time.After(2 * patience):
		err = errors.New("it takes too long")
	}
	r.Out, r.Err = out.String(), errs.String()
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitStatus()
	case err != nil:
		return r, fmt.Errorf("%w: %w; so far: %s", errDisconnected, err, r)
	}
	return r, nil
}

func (l *Login) run(command string, out, errs io.Writer) error {
	s, err := l.client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	s.Stdout, s.Stderr = out, errs
	return s.Run(command)
}

// Run runs a shell command, which may fail.
func (l *Login) Run(t testing.TB, command string) Result {
	t.Helper()
	r, err := l.Do(command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return r
}

// OK runs a shell command that has to succeed and returns what it printed,
// without the newline at the end.
func (l *Login) OK(t testing.TB, command string) string {
	t.Helper()
	return l.Run(t, command).OK(t)
}
