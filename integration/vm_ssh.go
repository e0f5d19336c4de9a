package integration

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/crypto/ssh"
)

// errDisconnected means that the machine ended the connection during a command.
var errDisconnected = errors.New("the machine ended the connection")

// Login is a login session in the virtual machine, as sshd and systemd-logind
// make it: a scope of its own, XDG_RUNTIME_DIR, the user's systemd.
type Login struct{ client *ssh.Client }

// Login opens a session for "tester" or "root". Close is the logout.
func (vm *VM) Login(user string) (*Login, error) {
	client, err := ssh.Dial("tcp", vm.address(), &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(vm.keys.login)},
		HostKeyCallback: ssh.FixedHostKey(vm.keys.host.PublicKey()),
		Timeout:         patience,
	})
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	return &Login{client}, nil
}

// Close logs out.
func (l *Login) Close() error { return l.client.Close() }

// Do runs a shell command in the session.
func (l *Login) Do(command string) (Result, error) {
	r := Result{Args: []string{"ssh", command}}
	s, err := l.client.NewSession()
	if err != nil {
		return r, err
	}
	defer s.Close()
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	err = s.Run(command)
	r.Out, r.Err = out.String(), errs.String()
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		r.Code = exit.ExitStatus()
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return r, nil
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
