package integration

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func TestInspectRunning(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		const data = "/usr" // which everybody may read
		e.OK(t, "run", "-d", "--name", name, "-p", "127.0.0.1:0:80", "-v", data+":/data:ro", "--tmpfs", "/t", "--cap-add", "sys_ptrace",
			"--ulimit", "nofile=100:200", "--shm-size", "1m", Image, "sleep", "1000")
		pid := e.OK(t, "inspect", "-f", "{{.State.Pid}}", name)
		if command, err := os.ReadFile("/proc/" + pid + "/cmdline"); err != nil || string(command) != "sleep\x001000\x00" {
			t.Errorf("process %s: %q, %v", pid, command, err)
		}
		address := e.OK(t, "exec", name, "sh", "-c", "ip -4 -o addr show dev eth0 | awk '{print $4}'")
		for _, tt := range []struct{ template, want string }{
			{"{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.ExitCode}}", "running true false 0"},
			{"{{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}", address},
			{"{{.NetworkSettings.Networks.bridge.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}", address},
			{`{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}`, "127.0.0.1"},
			{`{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostPort}}`, ""},
			{"{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}", "bind " + data + " /data false"},
			{"{{.HostConfig.Binds}}", "[" + data + ":/data:ro]"},
			{"{{.HostConfig.CapAdd}} {{.HostConfig.ShmSize}}", "[CAP_SYS_PTRACE] 1048576"},
			{"{{range .HostConfig.Ulimits}}{{.Name}} {{.Soft}} {{.Hard}}{{end}}", "nofile 100 200"},
			{"{{.State.FinishedAt}}", "0001-01-01T00:00:00Z"},
			{"{{json .Config.Cmd}} {{.Path}} {{.Args}}", `["sleep","1000"] sleep [1000]`},
		} {
			e.Want(t, tt.want, "inspect", "-f", tt.template, name)
		}
		// Paths that are shown lead somewhere.
		merged := e.OK(t, "inspect", "-f", "{{.GraphDriver.Data.MergedDir}}", name)
		e.Tool("test", "-x", merged+"/bin/sh").Run(t).OK(t)
		netns := e.OK(t, "inspect", "-f", "{{.NetworkSettings.SandboxKey}}", name)
		e.Tool("test", "-e", netns).Run(t).OK(t)

		e.OK(t, "kill", name)
		e.OK(t, "wait", name)
		e.Want(t, "exited false 0 137 []", "inspect", "-f",
			"{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}} [{{.NetworkSettings.IPAddress}}]", name)
	})
}

// A name is a container's before it is an image's.
func TestInspectImagesToo(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "true")
		image := e.OK(t, "image", "inspect", "-f", "{{.Id}}", Image)
		if image != e.OK(t, "inspect", "-f", "{{.Image}}", name) {
			t.Error("the container's image is not the image")
		}
		e.Want(t, image, "inspect", "-f", "{{.Id}}", Image)
		e.Want(t, id+"\n"+image, "inspect", "-f", "{{.Id}}", name, Image)
		e.Want(t, image, "inspect", "--type", "image", "-f", "{{.Id}}", Image)
		e.Want(t, id, "inspect", "--type", "container", "-f", "{{.Id}}", name)
		e.Want(t, id, "container", "inspect", "-f", "{{.ID}}", name)

		var both []struct{ ID string }
		text := e.OK(t, "inspect", name, Image)
		if err := json.Unmarshal([]byte(text), &both); err != nil || len(both) != 2 || both[0].ID != id || both[1].ID != image {
			t.Errorf("%v: %s", err, text)
		}
	})
}

// What is found is shown although something else is not.
func TestInspectUnknown(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		id := e.OK(t, "create", "--name", name, Image, "true")
		if r := e.Run(t, "inspect", "no-such-one").Exits(t, 1).Says(t, "no such object: no-such-one"); strings.TrimSpace(r.Out) != "[]" {
			t.Error(r)
		}
		if r := e.Run(t, "inspect", "-f", "{{.Id}}", "no-such-one", name, "nor-this").Exits(t, 1).Says(t, "no-such-one", "nor-this"); r.Out != id+"\n" {
			t.Error(r)
		}
		e.Run(t, "inspect", "--type", "container", Image).Exits(t, 1).Says(t, Image)
		e.Run(t, "inspect", "--type", "image", name).Exits(t, 1).Says(t, name)
		e.Run(t, "inspect", "--type", "nonsense", name).Exits(t, 125).Says(t, "nonsense", "container")
		e.Run(t, "inspect", "-f", "{{.State.Nonsense}}", name).Exits(t, 125).Says(t, "Nonsense")
		e.Run(t, "inspect").Exits(t, 125)
	})
}

// Who enforces a memory limit can be seen.
func TestInspectMemory(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--memory", "64m", Image, "sleep", "1000")
		got := e.OK(t, "inspect", "-f", "{{.HostConfig.Memory}} {{.State.MemoryEnforcedBy}}", name)
		if got != "67108864 kernel (memory controller)" && got != "67108864 rl (sampled proportional set size)" {
			t.Errorf("got %q", got)
		}
	})
}

// That memory ran out is said wherever the end of a container is.
func TestOutOfMemoryIsVisible(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Run(t, "run", "--name", name, "--memory", "20m", Image, "tail", "/dev/zero").Exits(t, 137).Says(t, "OOM killed at 20 MiB")
		status := e.OK(t, "ps", "-a", "--filter", "name=^"+name+"$", "--format", "{{.Status}}")
		if !strings.HasPrefix(status, "Exited (137) ") || !strings.HasSuffix(status, " ago, OOM killed at 20 MiB") {
			t.Errorf("ps says %q", status)
		}
		e.Want(t, "true 137 exited", "inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}", name)
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
