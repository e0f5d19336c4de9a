package integration

import (
	"os"
	"strings"
	"testing"
)

// beats counts in a file for as long as the container is not paused. It is a second
// process that says that it is ready.
const beats = "echo x >/beats; (echo ready; while :; do (echo x >>/beats; sleep 0.01) & wait; done) & wait"

func TestPauseStopsEveryProcess(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", beats)
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "ready")
		if r := e.Run(t, "pause", name); r.OK(t) != name || r.Err != "" && !strings.Contains(r.Err, "SIGSTOP") {
			t.Error(r)
		}
		pids := strings.Fields(e.OK(t, "top", name, "-o", "pid"))[1:]
		if len(pids) < 2 {
			t.Errorf("only processes %v", pids)
		}
		before := e.Tool("cat", "/proc/"+pids[0]+"/root/beats").Run(t).OK(t)
		e.Want(t, "paused true true", "inspect", "-f", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}", name)
		if status := e.OK(t, "ps", "--filter", "status=paused", "--filter", "name=^"+name+"$", "--format", "{{.Status}}"); !strings.HasSuffix(status, " (Paused)") {
			t.Errorf("ps says %q", status)
		}
		for _, pid := range pids {
			state, err := os.ReadFile("/proc/" + pid + "/status")
			group, _ := os.ReadFile("/proc/" + pid + "/cgroup")
			if err != nil || !strings.Contains(string(state), "(stopped)") && !strings.Contains(string(state), "(zombie)") && !strings.Contains(string(group), "rl-") {
				t.Errorf("process %s: %v %s", pid, err, state)
			}
		}
		if after := e.Tool("cat", "/proc/"+pids[0]+"/root/beats").Run(t).OK(t); after != before {
			t.Error("it went on")
		}
		e.Want(t, name, "unpause", name)
		e.Want(t, "running false", "inspect", "-f", "{{.State.Status}} {{.State.Paused}}", name)
		e.Cmd("exec", name, "sh", "-c", "tail -n 0 -f /beats | head -n 3").Run(t).OK(t)
	})
}

func TestPausedRefusesWhatNeedsProcesses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.OK(t, "pause", name)
		e.Run(t, "pause", name).Exits(t, 1).Says(t, "paused already", name)
		for _, args := range [][]string{{"exec", name, "true"}, {"attach", name}, {"start", name}} {
			e.Run(t, args...).Exits(t, 1).Says(t, "container is paused", "rl unpause "+name)
		}
		e.Run(t, "rm", name).Exits(t, 1)
		e.OK(t, "unpause", name)
		e.OK(t, "exec", name, "true")
	})
}

func TestPausedCanBeEnded(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, tt := range []struct{ how, code string }{
			{"kill", "137"}, {"kill -s TERM", "5"}, {"stop", "5"}, {"stop -t 0", "137"}, {"rm -f", ""},
		} {
			name := e.Name(t)
			e.ready(t, name)
			e.OK(t, "pause", name)
			e.OK(t, append(strings.Fields(tt.how), name)...)
			if tt.code == "" {
				e.Run(t, "inspect", name).Exits(t, 1)
				continue
			}
			e.Want(t, tt.code, "wait", name)
			e.Want(t, "exited false", "inspect", "-f", "{{.State.Status}} {{.State.Paused}}", name)
			e.OK(t, "start", name)
			e.Want(t, "running", "inspect", "-f", "{{.State.Status}}", name)
		}
	})
}

// A program that stops itself is not paused.
func TestStoppedIsNotPaused(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name)
		e.OK(t, "kill", "-s", "STOP", name)
		e.Want(t, "running", "inspect", "-f", "{{.State.Status}}", name)
		e.OK(t, "kill", "-s", "CONT", name)
	})
}

func TestPauseBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		ended, running := e.Name(t), e.Name(t)
		e.OK(t, "run", "--name", ended, Image, "true")
		e.ready(t, running)
		e.Run(t, "pause").Exits(t, 125).Says(t, "CONTAINER")
		e.Run(t, "pause", "--nonsense", running).Exits(t, 125).Says(t, "--nonsense")
		e.Run(t, "pause", "no-such-one").Exits(t, 1).Says(t, "no-such-one")
		e.Run(t, "pause", ended).Exits(t, 1).Says(t, "not running")
		if r := e.Run(t, "pause", ended, "no-such-one", running).Exits(t, 1).Says(t, "not running", "no-such-one"); r.Out != running+"\n" {
			t.Error(r)
		}
		e.OK(t, "unpause", running)
	})
}

// Between two lives of a container with a restart policy there is nothing to
// pause or to measure, and nothing breaks; what is changed is there in the next.
func TestBetweenTwoLives(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, after := e.Name(t), e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--restart", "always", Image, "sh", "-c", "exit 3")
		for range 20 { // whichever moment it is
			for _, args := range [][]string{{"pause", name}, {"unpause", name}, {"top", name}, {"exec", name, "true"}} {
				if r := e.Run(t, args...); r.Code != 0 && !strings.Contains(r.Err, "running") && !strings.Contains(r.Err, "restarting") && !strings.Contains(r.Err, "paused") {
					t.Error(r)
				}
			}
		}
		e.OK(t, "stats", "--no-stream", name)
		e.OK(t, "update", "-m", "64m", name)
		e.OK(t, "rename", name, after)
		e.Want(t, "67108864 always", "inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}", after)
		e.OK(t, "update", "--restart", "no", after)
		e.OK(t, "rm", "-f", after)
	})
}
