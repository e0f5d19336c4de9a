package integration

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const forever = "trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait $!; done"

// ready starts a container that prints `ready`, ends with 5 at SIGTERM, and
// would otherwise go on; it returns once the container has printed.
func (e *Env) ready(t *testing.T, name string, flags ...string) {
	t.Helper()
	args := append([]string{"run", "-d", "--name", name}, flags...)
	e.OK(t, append(args, Image, "sh", "-c", forever)...)
	logs := e.Cmd("logs", "-f", name).Start(t)
	logs.Expect(t, "ready")
}

func TestCreateStart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "sh", "-c", "echo run; exit 4")
		if len(id) != 64 {
			t.Errorf("create printed %q, not the id", id)
		}
		e.Want(t, "created false", "inspect", "-f", "{{.State.Status}} {{.State.Running}}", name)
		if r := e.Run(t, "start", "-a", name).Exits(t, 4); r.Out != "run\n" {
			t.Error(r)
		}
		e.Want(t, "exited 4", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
		e.Run(t, "start", "-a", name).Exits(t, 4)
		e.Want(t, "run\nrun", "logs", name)
	})
}

func TestStartKeepsFiles(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "sh", "-c", "echo x >> /count; wc -l < /count")
		for _, want := range []string{"1", "2", "3"} {
			if got := e.OK(t, "start", "-a", name); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestStartSeveral(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b := e.Name(t), e.Name(t)
		for _, name := range []string{a, b} {
			e.OK(t, "create", "--name", name, Image, "sleep", "1000")
		}
		e.Want(t, a+"\n"+b, "start", a, b)
		e.Want(t, "true\ntrue", "inspect", "-f", "{{.State.Running}}", a, b)
		e.Want(t, a+"\n"+b, "kill", a, b)
		e.Want(t, "137\n137", "wait", a, b)
	})
}

func TestStartRunning(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		pid := e.OK(t, "inspect", "-f", "{{.State.Pid}}", name)
		e.Want(t, name, "start", name) // as Docker: it runs already, which is what was asked for
		e.Want(t, pid, "inspect", "-f", "{{.State.Pid}}", name)
	})
}

func TestStop(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.Want(t, name, "stop", name)
		e.Want(t, "5", "wait", name)
		e.Want(t, name, "stop", name) // stopping what does not run is no mistake
	})
}

// What ignores the signal is killed after the time, not before.
func TestStopTime(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sleep", "1000")
		begin := time.Now()
		e.OK(t, "stop", "-t", "1", name)
		if took := time.Since(begin); took < time.Second || took > 8*time.Second {
			t.Errorf("stop -t 1 took %v", took)
		}
		e.Want(t, "137", "wait", name)
	})
}

func TestStopSignal(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--stop-signal", "USR1", Image, "sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 1000 & wait $!; done")
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "ready")
		e.OK(t, "stop", name)
		e.Want(t, "9", "wait", name)
	})
}

func TestKill(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range []struct{ signal, code string }{
			{"", "137"}, {"TERM", "5"}, {"SIGTERM", "5"}, {"15", "5"}, {"9", "137"},
		} {
			name := e.Name(t)
			e.ready(t, name)
			args := []string{"kill", name}
			if tt.signal != "" {
				args = []string{"kill", "-s", tt.signal, name}
			}
			e.Want(t, name, args...)
			e.Want(t, tt.code, "wait", name)
		}
		name := e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.Run(t, "kill", name).Exits(t, 1).Says(t, "not running")
	})
}

// Scripts say `kill C && rm C`: kill returns when the container has ended.
func TestKillThenRemove(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for range 3 {
			name := e.Name(t)
			e.ready(t, name)
			e.Want(t, name, "kill", name)
			e.Want(t, name, "rm", name)
		}
		name := e.Name(t)
		e.ready(t, name, "--rm")
		e.Want(t, name, "kill", name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, "no such container")
	})
}

func TestWait(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		waiting := e.Cmd("wait", name).Start(t)
		e.OK(t, "kill", "-s", "TERM", name)
		if r := waiting.Wait(t); r.OK(t) != "5" {
			t.Error(r)
		}
	})
}

func TestRemove(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, name, "running")
		e.Want(t, name, "rm", "-f", name)
		e.Run(t, "rm", name).Exits(t, 1).Says(t, name)
		e.Run(t, "rm", "-f", name).Exits(t, 0) // as Docker since 20.10: already gone is fine with -f
	})
}

// A container is named by its name, its id, or a beginning of the id that is
// nobody else's.
func TestNames(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "true")
		for _, ref := range []string{name, id, id[:12], "/" + name} {
			e.Want(t, id, "inspect", "-f", "{{.Id}}", ref)
		}
		e.Run(t, "run", "--name", name, Image, "true").Exits(t, 125).Says(t, name, "in use")
	})
}

func TestList(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		running, ended := e.Name(t), e.Name(t)
		e.ready(t, running)
		e.Run(t, "run", "--name", ended, Image, "sh", "-c", "exit 3").Exits(t, 3)

		header, _, _ := strings.Cut(e.OK(t, "ps"), "\n")
		if got := strings.Join(strings.Fields(header), " "); got != "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES" {
			t.Errorf("columns %q", got)
		}
		format := "{{.Names}}|{{.Image}}|{{.Status}}"
		row := func(name string) string {
			return e.OK(t, "ps", "-a", "--filter", "name=^"+name+"$", "--format", format)
		}
		if got := row(running); !strings.HasPrefix(got, running+"|"+Image+"|Up ") {
			t.Errorf("running: %q", got)
		}
		if got := row(ended); !strings.HasPrefix(got, ended+"|"+Image+"|Exited (3) ") {
			t.Errorf("ended: %q", got)
		}
		plain := e.OK(t, "ps", "--format", "{{.Names}}")
		if !hasLine(plain, running) || hasLine(plain, ended) {
			t.Errorf("ps without -a shows %q", plain)
		}
		id := e.OK(t, "inspect", "-f", "{{.Id}}", ended)
		if !hasLine(e.OK(t, "ps", "-aq", "--no-trunc"), id) || !hasLine(e.OK(t, "ps", "-aq"), id[:12]) {
			t.Error("ps -aq lacks the id")
		}
	})
}

func hasLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimSuffix(l, "\n") == line {
			return true
		}
	}
	return false
}

func TestLogs(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "--name", name, Image, "sh", "-c", "for i in 1 2 3; do echo out$i; echo err$i >&2; done; printf unfinished")
		r := e.Run(t, "logs", name).Exits(t, 0)
		if r.Out != "out1\nout2\nout3\nunfinished" || r.Err != "err1\nerr2\nerr3\n" {
			t.Error(r)
		}
		if r := e.Run(t, "logs", "--tail", "1", name); r.Out != "unfinished" || r.Err != "" {
			t.Error(r)
		}
		stamped := e.OK(t, "logs", "-t", name)
		first, rest, _ := strings.Cut(stamped, " ")
		if _, err := time.Parse(time.RFC3339Nano, first); err != nil || !strings.HasPrefix(rest, "out1\n") {
			t.Errorf("logs -t: %v: %q", err, stamped)
		}
	})
}

// logs -f goes on while the container runs and ends with it.
func TestLogsFollow(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		p := e.Cmd("logs", "-f", name).Start(t)
		p.Expect(t, "ready\n")
		e.OK(t, "stop", name)
		p.Wait(t).OK(t)
	})
}

// A line of a megabyte and a hundred thousand lines come back as they were.
func TestLogsMuch(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		script := "head -c 1000000 /dev/zero | tr '\\0' x; echo; seq 100000"
		want := e.OK(t, "run", "--name", name, Image, "sh", "-c", script)
		if len(want) < 1_500_000 {
			t.Fatalf("run printed only %d bytes", len(want))
		}
		if got := e.OK(t, "logs", name); got != want {
			t.Errorf("run printed %d bytes, logs %d", len(want), len(got))
		}
	})
}

func TestInspect(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, "-e", "A=b", "-w", "/tmp", "-u", "guest", "--hostname", "harbour", "-l", "k=v",
			"--memory", "64m", "--entrypoint", "sh", Image, "-c", "true")
		var all []struct {
			ID, Name, Created, Path string
			Args                    []string
			State                   struct{ Status string }
			Config                  struct {
				Env, Cmd, Entrypoint              []string
				WorkingDir, User, Hostname, Image string
				Labels                            map[string]string
			}
			HostConfig struct{ Memory int64 }
		}
		out := e.OK(t, "inspect", name)
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		c := all[0]
		if c.Name != "/"+name || c.Path != "sh" || strings.Join(c.Args, " ") != "-c true" || c.State.Status != "created" {
			t.Errorf("%+v", c)
		}
		if _, err := time.Parse(time.RFC3339Nano, c.Created); err != nil {
			t.Error(err)
		}
		g := c.Config
		if g.WorkingDir != "/tmp" || g.User != "guest" || g.Hostname != "harbour" || g.Image != Image || g.Labels["k"] != "v" ||
			strings.Join(g.Cmd, " ") != "-c true" || strings.Join(g.Entrypoint, " ") != "sh" || !strings.Contains(strings.Join(g.Env, " "), "A=b") {
			t.Errorf("%+v", g)
		}
		if c.HostConfig.Memory != 64<<20 {
			t.Errorf("memory %d", c.HostConfig.Memory)
		}
	})
}

func TestUnknownContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, args := range [][]string{
			{"start"}, {"stop"}, {"kill"}, {"rm"}, {"logs"}, {"wait"}, {"attach"}, {"inspect"}, {"exec", "true"},
		} {
			args = append(args[:1:1], append([]string{"no-such-one"}, args[1:]...)...)
			r := e.Run(t, args...).Exits(t, 1).Says(t, "no-such-one")
			if lines(r.Err) != 1 {
				t.Errorf("want one line: %s", r)
			}
		}
	})
}

// A command that was stopped and does not read holds up nobody but itself.
func TestStoppedReaderHoldsNothingUp(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		p := e.Cmd("run", "--name", name, Image, "yes").Start(t)
		p.Expect(t, "y\n")
		p.Signal(t, syscall.SIGSTOP)
		e.OK(t, "stop", "-t", "0", name)
		e.Want(t, "137", "inspect", "-f", "{{.State.ExitCode}}", name)
		e.OK(t, "rm", name)
		p.Signal(t, syscall.SIGCONT)
		p.Wait(t).Exits(t, 137)
	})
}

// Signals do not wait behind input that the container does not read.
func TestSignalsOvertakeInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		script := "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
		endless, err := os.Open("/dev/zero")
		if err != nil {
			t.Fatal(err)
		}
		defer endless.Close()
		p := e.Cmd("run", "-i", "--rm", Image, "sh", "-c", script).Stdin(endless).Start(t)
		p.Expect(t, "ready\n")
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t).Exits(t, 9)
	})
}

func TestStartAttachesToWhatRuns(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", "trap 'exit 4' TERM; while :; do echo tick; sleep 0.05; done")
		p := e.Cmd("start", "-a", name).Start(t)
		p.Expect(t, "tick\n")
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t).Exits(t, 4)
		e.OK(t, "rm", name)
	})
}
