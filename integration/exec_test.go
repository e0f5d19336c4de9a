package integration

import (
	"strings"
	"testing"
	"time"
)

func TestExec(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name, "-e", "FROM=run", "-w", "/tmp", "-u", "guest", "--hostname", "harbour")
		tests := []struct {
			name string
			args []string // NAME stands for the container
			want string
		}{
			{"command", []string{"NAME", "echo", "a b", "c"}, "a b c"},
			{"environment of run", []string{"NAME", "sh", "-c", "echo $FROM"}, "run"},
			{"environment of its own", []string{"-e", "FROM=exec", "-e", "X=1", "NAME", "sh", "-c", "echo $FROM $X"}, "exec 1"},
			{"workdir of run", []string{"NAME", "pwd"}, "/tmp"},
			{"workdir of its own", []string{"-w", "/etc", "NAME", "pwd"}, "/etc"},
			{"user of run", []string{"NAME", "id", "-u"}, "405"},
			{"user of its own", []string{"-u", "0", "NAME", "id", "-u"}, "0"},
			{"user and group", []string{"-u", "12:34", "NAME", "sh", "-c", "id -u; id -g"}, "12\n34"},
			{"same namespaces", []string{"NAME", "hostname"}, "harbour"},
			{"sees process 1", []string{"NAME", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline | cut -c 1-5"}, "sh -c"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"exec"}, tt.args...)
				for i := range args {
					if args[i] == "NAME" {
						args[i] = name
					}
				}
				e.Want(t, tt.want, args...)
			})
		}
	})
}

func TestExecExitCodes(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		for _, tt := range []struct {
			code int
			args []string
		}{
			{0, []string{"true"}},
			{7, []string{"sh", "-c", "exit 7"}},
			{137, []string{"sh", "-c", "kill -9 $$"}},
			{127, []string{"no-such-command"}},
			{126, []string{"/etc/passwd"}},
		} {
			e.Run(t, append([]string{"exec", name}, tt.args...)...).Exits(t, tt.code)
		}
		e.OK(t, "stop", name)
		e.Run(t, "exec", name, "true").Exits(t, 1).Says(t, "not running")
	})
}

func TestExecPipes(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		text := strings.Repeat("every byte \x00\x01\xff\n", 100_000)
		r := e.Cmd("exec", "-i", name, "cat").Input(text).Run(t)
		if r.Exits(t, 0); r.Out != text {
			t.Errorf("%d bytes went in, %d came out, and they are not the same", len(text), len(r.Out))
		}
		r = e.Run(t, "exec", name, "sh", "-c", "echo out; echo err >&2").Exits(t, 0)
		if r.Out != "out\n" || r.Err != "err\n" {
			t.Error(r)
		}
		if strings.Contains(e.Run(t, "logs", name).Out, "out") {
			t.Error("the logs hold what exec printed")
		}
	})
}

func TestExecDetached(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.OK(t, "exec", name, "mkfifo", "/done")
		e.OK(t, "exec", "-d", name, "sh", "-c", "echo $$ > /done")
		if got := e.OK(t, "exec", name, "cat", "/done"); got == "" || got == "1" {
			t.Errorf("pid %q", got)
		}
	})
}

// Many at once work side by side.
func TestExecParallel(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		var all []*Proc
		for i := range 12 {
			all = append(all, e.Cmd("exec", name, "echo", itoa(i)).Start(t))
		}
		for i, p := range all {
			if r := p.Wait(t); r.OK(t) != itoa(i) {
				t.Error(r)
			}
		}
	})
}

// A command that exec started ends with the container.
func TestExecEndsWithContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		p := e.Cmd("exec", name, "sh", "-c", "echo running; exec sleep 1000").Start(t)
		p.Expect(t, "running")
		e.OK(t, "rm", "-f", name)
		p.Wait(t).Exits(t, 137)
	})
}

// What a command leaves in the background holds its output open, but not us:
// as with Docker we end some time after the command, with all it has said.
func TestExecLeavesBackground(t *testing.T) {
	Need(t, RealImages)
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		r := e.Cmd("exec", name, "sh", "-c", "sleep 1000 & head -c 200000 /dev/zero; exit 4").Within(20*time.Second).Run(t).Exits(t, 4)
		if len(r.Out) != 200000 {
			t.Errorf("%d bytes came of 200000", len(r.Out))
		}
		tm := e.Cmd("exec", "-it", name, "sh", "-c", "trap '' HUP; sleep 1001 & echo said").Within(20 * time.Second).Terminal(t)
		tm.Expect(t, "said")
		tm.Wait(t).OK(t)
		e.OK(t, "exec", name, "pkill", "sleep")
	})
}
