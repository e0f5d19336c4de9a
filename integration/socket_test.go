package integration

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// activate is rl with files as systemd hands them to a service that is started
// by a connection: from descriptor 3 on, for this process id only.
func (e *Env) activate(names string, files []*os.File, args ...string) *Cmd {
	script := `export LISTEN_PID=$$ LISTEN_FDS=` + itoa(len(files)) + ` LISTEN_FDNAMES=` + names + `; exec "$@"`
	return e.Tool("/bin/sh", append([]string{"-c", script, "sh", e.Prog}, args...)...).Files(files...)
}

// tellSockets is a container's command that says what it was given.
const tellSockets = `[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES; cd /proc/self/fd; for f in 3 4 5; do [ -e $f ] && echo $f; done; echo answer >&4`

func TestSocketActivation(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, args := range [][]string{
			{"run", "--rm", Image, "sh", "-c", tellSockets},
			{"run", "--rm", "--init", Image, "sh", "-c", tellSockets},
			{"run", "--rm", "--security-opt", "no-new-privileges", "-u", "1000", Image, "sh", "-c", tellSockets},
		} {
			listener, files := sockets(t)
			if got := e.activate("web:control", files, args...).Run(t).OK(t); got != "2 web:control\n3\n4" {
				t.Errorf("%s: %q", args, got)
			}
			if got := answer(t, listener, files); got != "answer\n" {
				t.Errorf("%s: the other end hears %q", args, got)
			}
		}
	})
}

// sockets are a listening socket, and the end of a pipe whose other end it returns.
func sockets(t *testing.T) (pipe *os.File, files []*os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); file.Close(); writer.Close() })
	return reader, []*os.File{file, writer}
}

// answer reads what was written to the pipe, of which no process may keep an end.
func answer(t *testing.T, pipe *os.File, files []*os.File) string {
	t.Helper()
	for _, f := range files {
		f.Close()
	}
	text, err := io.ReadAll(pipe)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A container that is there already gets them too, and again when it is
// started again by its restart policy.
func TestSocketActivationOfStart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, "--restart", "on-failure:2", Image, "sh", "-c", tellSockets+"; exit 3")
		pipe, files := sockets(t)
		e.activate("a:b", files, "start", "--attach", name).Run(t).Exits(t, 3)
		e.OK(t, "wait", name)
		if got := answer(t, pipe, files); got != strings.Repeat("answer\n", 3) {
			t.Errorf("the other end hears %q", got)
		}
	})
}

func TestSocketsNeedOwnProcessIDs(t *testing.T) {
	e := AsUser(t)
	_, files := sockets(t)
	e.activate("a:b", files, "run", "--rm", "--pid", "host", Image, "true").Run(t).Exits(t, 125).Says(t, "sockets", "--pid")
}

// Sockets that are for another process are not the container's.
func TestSocketsOfAnotherProcess(t *testing.T) {
	e := AsUser(t)
	e.Cmd("run", "--rm", Image, "sh", "-c", "[ -z $LISTEN_FDS ]").Set("LISTEN_FDS=1").Set("LISTEN_PID=1").Run(t).OK(t)
}
