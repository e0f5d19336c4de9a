package integration

import (
	"strings"
	"testing"
)

func TestUpdateMemory(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "create", "--name", name, "--memory", "100m", Image, "sh", "-c", "echo ready; read x; tail /dev/zero")
		e.Want(t, name, "update", "-m", "64m", name)
		e.Want(t, "67108864", "inspect", "-f", "{{.HostConfig.Memory}}", name)
		// At once, and where there was no limit before.
		running := e.Name(t)
		e.OK(t, "run", "-d", "--name", running, Image, "sh", "-c", "trap : USR1; echo ready; sleep 1000 & wait; tail /dev/zero")
		e.Cmd("logs", "-f", running).Start(t).Expect(t, "ready")
		e.OK(t, "update", "--memory", "40m", running)
		e.OK(t, "update", "--memory=20m", running)
		if usage := e.OK(t, "stats", "--no-stream", "--format", "{{.MemUsage}}", running); !strings.HasSuffix(usage, "/ 20MiB") {
			t.Errorf("stats says %q", usage)
		}
		e.OK(t, "kill", "-s", "USR1", running)
		e.Want(t, "137", "wait", running)
		e.Want(t, "true 20971520", "inspect", "-f", "{{.State.OOMKilled}} {{.HostConfig.Memory}}", running)
		// The next start has it.
		e.OK(t, "start", running)
		e.OK(t, "kill", "-s", "USR1", running)
		e.Want(t, "137", "wait", running)
		e.Want(t, "true", "inspect", "-f", "{{.State.OOMKilled}}", running)
	})
}

func TestUpdateRestartIsStored(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, running := e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.ready(t, running)
		e.Want(t, name+"\n"+running, "update", "--restart", "on-failure:3", name, running)
		e.Want(t, "on-failure 3\non-failure 3", "inspect", "-f",
			"{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", name, running)
		e.OK(t, "update", "--restart", "no", name, running)
		e.Want(t, "no\nno", "inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", name, running)
	})
}

// A limit that nobody would keep is refused, and what was there stays.
func TestUpdateRefuses(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		if strings.Contains(e.OK(t, "info", "-f", "{{.CpuCfsQuota}}"), "true") {
			t.Skip("needs a machine that delegates no cpu controller")
		}
		name, running := e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.ready(t, running)
		for _, container := range []string{name, running} {
			e.Run(t, "update", "--cpus", "1", container).Exits(t, 1).Says(t, "cannot enforce --cpus", "cgroup controller cpu")
			e.Run(t, "update", "--pids-limit", "100", container).Exits(t, 1).Says(t, "cannot enforce --pids-limit")
			e.Want(t, "0 null", "inspect", "-f", "{{.HostConfig.NanoCpus}} {{json .HostConfig.PidsLimit}}", container)
		}
	})
}

func TestUpdateBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, temporary := e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", name, "-m", "64m", Image, "true")
		e.OK(t, "create", "--rm", "--name", temporary, Image, "true")
		before := e.OK(t, "inspect", name)
		for _, tt := range []struct {
			args []string
			code int
			says string
		}{
			{[]string{}, 125, "CONTAINER"},
			{[]string{name}, 125, "nothing to change"},
			{[]string{"-m", "abc", name}, 125, "invalid size"},
			{[]string{"-m", "1m", name}, 125, "6MB"},
			{[]string{"--cpus", "-1", name}, 125, "--cpus"},
			{[]string{"--cpuset-cpus", "a", name}, 125, "--cpuset-cpus"},
			{[]string{"--restart", "sometimes", name}, 125, "--restart"},
			{[]string{"--restart", "always:3", name}, 125, "on-failure"},
			{[]string{"--memory-swap", "10m", name}, 1, "--memory-swap"},
			{[]string{"--kernel-memory", "10m", name}, 125, "--kernel-memory"},
			{[]string{"--memroy", "10m", name}, 125, "--memory"},
			{[]string{"--restart", "always", temporary}, 1, "--rm"},
			{[]string{"-m", "10m", "no-such-one"}, 1, "no-such-one"},
		} {
			e.Run(t, append([]string{"update"}, tt.args...)...).Exits(t, tt.code).Says(t, tt.says)
		}
		if after := e.OK(t, "inspect", name); after != before {
			t.Error("something was changed")
		}
	})
}
