package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a container prints, for each of the flags that shape its process.
func TestRunFlags(t *testing.T) {
	tests := []struct {
		name string
		args []string // between `run --rm` and the end; IMAGE stands for the image
		want string
	}{
		{"command", []string{"IMAGE", "echo", "hello"}, "hello"},
		{"arguments stay apart", []string{"IMAGE", "printf", "%s|", "a b", "", "c"}, "a b||c|"},
		{"flags after the image are the command's", []string{"IMAGE", "echo", "--rm", "-d"}, "--rm -d"},
		{"double dash", []string{"--", "IMAGE", "echo", "-n", "x"}, "x"},
		{"env", []string{"-e", "A=1", "--env", "B=two words", "IMAGE", "sh", "-c", `echo "$A $B"`}, "1 two words"},
		{"env taken from the caller", []string{"-e", "LOGNAME", "IMAGE", "sh", "-c", `test -n "$LOGNAME" && echo set`}, "set"},
		{"env of the caller that is not asked for", []string{"IMAGE", "sh", "-c", `echo "${XDG_RUNTIME_DIR-none}"`}, "none"},
		{"env not set anywhere", []string{"-e", "NOT_SET_ANYWHERE", "IMAGE", "sh", "-c", `echo "${NOT_SET_ANYWHERE-none}"`}, "none"},
		{"HOME of root", []string{"IMAGE", "sh", "-c", "echo $HOME"}, "/root"},
		{"workdir", []string{"-w", "/tmp", "IMAGE", "pwd"}, "/tmp"},
		{"workdir is made", []string{"-w", "/made/for/it", "IMAGE", "pwd"}, "/made/for/it"},
		{"user by number", []string{"-u", "1234", "IMAGE", "sh", "-c", "id -u; id -g"}, "1234\n0"},
		{"user and group by number", []string{"-u", "1234:5678", "IMAGE", "sh", "-c", "id -u; id -g"}, "1234\n5678"},
		{"user by name", []string{"-u", "guest", "IMAGE", "sh", "-c", "id -u; id -g"}, "405\n100"},
		{"user and group by name", []string{"-u", "guest:nobody", "IMAGE", "sh", "-c", "id -u; id -g"}, "405\n65534"},
		{"groups added", []string{"-u", "1000:1000", "--group-add", "77", "--group-add", "users", "IMAGE", "id", "-G"}, "1000 77 100"},
		{"entrypoint", []string{"--entrypoint", "echo", "IMAGE", "from", "entrypoint"}, "from entrypoint"},
		{"hostname", []string{"--hostname", "harbour", "IMAGE", "hostname"}, "harbour"},
		{"hostname in the hosts file", []string{"-h", "harbour", "--network", "none", "IMAGE", "sh", "-c", "grep -c harbour /etc/hosts || true; echo $HOSTNAME"}, "0\nharbour"},
		{"ulimit", []string{"--ulimit", "nofile=321:654", "IMAGE", "sh", "-c", "ulimit -n; ulimit -Hn"}, "321\n654"},
		{"ulimit with one value", []string{"--ulimit", "core=0", "IMAGE", "sh", "-c", "ulimit -c; ulimit -Hc"}, "0\n0"},
		{"process number", []string{"IMAGE", "sh", "-c", "echo $$"}, "1"},
		{"init is process 1", []string{"--init", "IMAGE", "sh", "-c", `test $$ -ne 1 && echo child of $PPID`}, "child of 1"},
		{"shm size", []string{"--shm-size", "8m", "IMAGE", "sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'"}, "8192"},
		{"umask", []string{"IMAGE", "sh", "-c", "umask"}, "0022"},
	}
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				args := append([]string{"run", "--rm"}, tt.args...)
				for i := range args {
					if args[i] == "IMAGE" {
						args[i] = Image
					}
				}
				e.Want(t, tt.want, args...)
			})
		}
	})
}

func TestRunDefaultHostname(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		host := e.OK(t, "run", "--name", name, Image, "hostname")
		if id := e.OK(t, "inspect", "-f", "{{.Id}}", name); len(id) != 64 || host != id[:12] {
			t.Errorf("hostname %q, id %q: want the first 12 of 64 characters", host, id)
		}
	})
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name string
		code int
		args []string
	}{
		{"zero", 0, []string{Image, "true"}},
		{"its own", 3, []string{Image, "sh", "-c", "exit 3"}},
		{"255", 255, []string{Image, "sh", "-c", "exit 255"}},
		{"killed by a signal", 137, []string{Image, "sh", "-c", "sh -c 'kill -9 $$'; exit $?"}},
		{"no such command", 127, []string{Image, "no-such-command"}},
		{"no such path", 127, []string{Image, "/no/such/path"}},
		{"not executable", 126, []string{Image, "/etc/passwd"}},
		{"a folder", 126, []string{Image, "/etc"}},
		{"no such entrypoint", 127, []string{"--entrypoint", "/nowhere", Image}},
	}
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := e.Run(t, append([]string{"run", "--rm"}, tt.args...)...).Exits(t, tt.code)
				if ours := tt.code == 126 || tt.code == 127; ours && lines(r.Err) != 1 {
					t.Errorf("want one line that says why: %s", r)
				}
			})
		}
	})
}

func lines(s string) int { return strings.Count(s, "\n") }

// Bytes go through unchanged and completely in both directions, and the end of
// the input reaches the command.
func TestPipes(t *testing.T) {
	all := make([]byte, 3<<20)
	for i := range all {
		all[i] = byte(i * 7 / 3)
	}
	Each(t, func(t *testing.T, e *Env) {
		t.Run("through", func(t *testing.T) {
			r := e.Cmd("run", "--rm", "-i", Image, "cat").Input(string(all)).Run(t)
			r.Exits(t, 0)
			if r.Out != string(all) {
				t.Errorf("%d bytes went in, %d came out, and they are not the same", len(all), len(r.Out))
			}
		})
		t.Run("apart", func(t *testing.T) {
			r := e.Run(t, "run", "--rm", Image, "sh", "-c", "echo out; echo err >&2").Exits(t, 0)
			if r.Out != "out\n" || r.Err != "err\n" {
				t.Error(r)
			}
		})
		t.Run("no input without -i", func(t *testing.T) {
			r := e.Cmd("run", "--rm", Image, "cat").Input("not for the container").Run(t)
			if r.Exits(t, 0); r.Out != "" {
				t.Error(r)
			}
		})
		t.Run("reader gone", func(t *testing.T) {
			name := e.Name(t) // as with Docker, the container goes on
			if r := e.Tool("sh", "-c", e.Prog+" run --name "+name+" "+Image+" yes | head -n 1").Run(t); r.Out != "y\n" {
				t.Error(r)
			}
		})
		t.Run("dialogue", func(t *testing.T) {
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			p := e.Cmd("run", "--rm", "-i", Image, "sh", "-c", "while read x; do echo got $x; done; echo end").Stdin(in).Start(t)
			for i := range 3 {
				fmt.Fprintf(out, "line%d\n", i)
				p.Expect(t, fmt.Sprintf("got line%d\n", i))
			}
			out.Close()
			p.Expect(t, "end\n")
			p.Wait(t).OK(t)
		})
	})
}

func TestDetached(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", "echo started; exec sleep 1000")
		if len(id) != 64 {
			t.Errorf("run -d printed %q, not the id", id)
		}
		e.Want(t, "true running", "inspect", "-f", "{{.State.Running}} {{.State.Status}}", name)
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "started\n")
		e.Want(t, name, "stop", "-t", "0", name)
		e.Want(t, "started", "logs", name)
		e.Want(t, "exited 137", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
	})
}

func TestCidfile(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		path := filepath.Join(e.Folder(t), "cid")
		name := e.Name(t)
		id := e.OK(t, "run", "-d", "--name", name, "--cidfile", path, Image, "true")
		if got, err := os.ReadFile(path); err != nil || string(got) != id {
			t.Errorf("cidfile holds %q (%v), want %q", got, err, id)
		}
		e.Run(t, "run", "--rm", "--cidfile", path, Image, "true").Exits(t, 125).Says(t, path)
	})
}

// With --rm nothing of the container is there any more when run returns.
func TestRemovedAfterRun(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "--rm", "--name", name, Image, "sh", "-c", "echo x > /file")
		e.Run(t, "inspect", name).Exits(t, 1).Says(t, name)
		e.OK(t, "run", "--rm", "--name", name, Image, "true")
	})
}

func TestReadOnly(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		r := e.Run(t, "run", "--rm", "--read-only", "--tmpfs", "/scratch", Image, "sh", "-c", "echo x > /scratch/x && echo ok; echo x > /file")
		if r.Out != "ok\n" || r.Code == 0 || !strings.Contains(r.Err, "Read-only") {
			t.Error(r)
		}
	})
}

func TestRootFolderIsWritableByRoot(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		if got := e.OK(t, "run", "--rm", "--network", "none", Image, "stat", "-c", "%a", "/"); got != "755" {
			t.Errorf("the mode of / is %s", got)
		}
		dir, c := e.Folder(t), e.Name(t)
		e.OK(t, "create", "--name", c, Image)
		e.Cmd("cp", "-q", c+":/", "copy").In(dir).Run(t).OK(t)
		e.Tool("rm", "-r", "copy").In(dir).Run(t).OK(t)
	})
}

func TestTmpfs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		got := e.OK(t, "run", "--rm", "--tmpfs", "/scratch:size=4m,mode=0700", Image, "sh", "-c",
			"grep ' /scratch ' /proc/mounts; stat -c %a /scratch")
		for _, want := range []string{"tmpfs", "size=4096k", "nosuid", "nodev", "noexec", "\n700"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
	})
}

// An init system that gets no control group is told about, one line, by
// --systemd and by the command alone; others are not.
func TestRunInitWithoutAGroup(t *testing.T) {
	const systemd = "/usr/lib/systemd/systemd"
	Each(t, func(t *testing.T, e *Env) {
		script := filepath.Join(e.Folder(t), "init")
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		without := e.OK(t, "info", "-f", "{{.CgroupDriver}}") == "none"
		for _, c := range []struct {
			args []string
			told bool
		}{
			{[]string{"--systemd=always", Image, "true"}, without},
			{[]string{"--entrypoint", systemd, "-v", script + ":" + systemd + ":ro", Image}, without},
			{[]string{"--systemd=false", "--entrypoint", systemd, "-v", script + ":" + systemd + ":ro", Image}, false},
			{[]string{Image, "true"}, false},
		} {
			r := e.Run(t, append([]string{"run", "--rm"}, c.args...)...).Exits(t, 0)
			if told := strings.Contains(r.Err, "no control group is delegated") && strings.Contains(r.Err, "rl check"); told != c.told {
				t.Errorf("it says %q", r.Err)
			}
		}
	})
}
