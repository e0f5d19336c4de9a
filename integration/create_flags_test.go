package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// With keep-groups a file that only one of the person's groups may read can be
// read in the container, and without it not.
func TestKeepGroups(t *testing.T) {
	Need(t, Superuser)
	e := AsUser(t)
	const group = 42424
	dir := e.Folder(t)
	file := filepath.Join(dir, "shared")
	if err := os.WriteFile(file, []byte("for the group\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 0, group); err != nil {
		t.Fatal(err)
	}
	read := func(flags ...string) string {
		args := append(append([]string{"run", "--rm", "--network", "none", "-v", dir + ":/data"}, flags...), Image, "sh", "-c", "cat /data/shared 2>&1")
		c := e.Cmd(args...).Process(context.Background())
		c.SysProcAttr.Credential.Groups = append(c.SysProcAttr.Credential.Groups, group)
		out, _ := c.CombinedOutput()
		return string(out)
	}
	if got := read("--group-add", "keep-groups"); got != "for the group\n" {
		t.Errorf("with keep-groups: %q", got)
	}
	if got := read(); !strings.Contains(got, "denied") {
		t.Errorf("without: %q", got)
	}
}

// --group-add takes names of the image and numbers.
func TestGroupAdd(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		got := e.OK(t, "run", "--name", name, "--network", "none", "-u", "1000", "--group-add", "daemon", "--group-add", "4711", Image, "id", "-G")
		if got != "0 2 4711" {
			t.Errorf("got %q", got)
		}
		e.Want(t, "[daemon 4711]", "inspect", "-f", "{{.HostConfig.GroupAdd}}", name)
	})
}

// What is stored is used: no registry is asked where none has to be.
func TestPullPolicy(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, policy := range []string{"missing", "never"} {
			e.Want(t, "stored", "run", "--rm", "--network", "none", "--pull", policy, Image, "echo", "stored")
			e.Want(t, "stored", "run", "--rm", "--network", "none", "--pull="+policy, "-q", Image, "echo", "stored")
		}
		e.Run(t, "run", "--rm", "--pull", "never", "localhost:1/none", "true").Exits(t, 125).Says(t, "localhost:1/none", "no such image")
		for _, args := range [][]string{
			{"run", "--rm", "--pull", "missing", "localhost:1/none", "true"}, {"run", "--rm", "--pull", "always", "localhost:1/none", "true"},
			{"create", "--quiet", "localhost:1/none"},
		} {
			r := e.Run(t, args...).Exits(t, 125).Says(t, "localhost:1")
			if r.Out != "" {
				t.Errorf("something on stdout: %s", r)
			}
		}
	})
}

// An image of another platform than the one asked for is not run.
func TestPlatform(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		own := e.OK(t, "image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", Image)
		e.Want(t, "ran", "run", "--rm", "--network", "none", "--pull", "never", "--platform", own, Image, "echo", "ran")
		e.Run(t, "run", "--rm", "--pull", "never", "--platform", "linux/s390x", Image, "true").Exits(t, 125).Says(t, "linux/s390x")
		e.Run(t, "run", "--rm", "--pull", "never", "--platform", "a/b/c/d", Image, "true").Exits(t, 125).Says(t, "a/b/c/d")
	})
}

// Without --sig-proxy a signal ends rl alone.
func TestSigProxyOff(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, flag := range []string{"--sig-proxy=false", "--no-sig-proxy"} {
			name := e.Name(t)
			p := e.Cmd("run", "--name", name, "--network", "none", flag, Image, "sh", "-c", "trap 'echo heard' TERM; echo ready; while :; do sleep 1000 & wait; done").Start(t)
			p.Expect(t, "ready\n")
			p.Signal(t, syscall.SIGTERM)
			p.Wait(t).Exits(t, 128+int(syscall.SIGTERM))
			e.Want(t, "true ready", "inspect", "-f", "{{.State.Running}} "+fmt.Sprint(strings.TrimSpace(e.OK(t, "logs", name))), name)
			e.OK(t, "rm", "-f", name)
		}
	})
}

// stop waits as long as --stop-timeout says, and then kills.
func TestStopTimeoutKills(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--network", "none", "--stop-timeout", "0", Image, "sh", "-c", "trap '' TERM; sleep 1000 & wait")
		e.OK(t, "stop", name)
		e.Want(t, "137 0", "inspect", "-f", "{{.State.ExitCode}} {{.Config.StopTimeout}}", name)
	})
}
