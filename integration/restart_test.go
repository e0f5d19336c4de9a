package integration

import (
	"os"
	"strings"
	"testing"
)

// counted is a command that counts its lives in a file and prints the number.
const counted = "echo x >> /lives; n=$(wc -l < /lives); echo life $n; "

func TestRestartOnFailureGivesUpAfterItsRetries(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--restart", "on-failure:2", "--name", name, Image, "sh", "-c", counted+"exit 3")
		e.Want(t, "3", "wait", name)
		e.Want(t, "life 1\nlife 2\nlife 3", "logs", name)
		e.Want(t, "exited 2 on-failure 2", "inspect", "-f",
			"{{.State.Status}} {{.RestartCount}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", name)
	})
}

func TestRestartEndsWithTheFirstSuccess(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--restart", "on-failure", "--name", name, Image, "sh", "-c", counted+"[ $n = 3 ]")
		e.Want(t, "0", "wait", name)
		e.Want(t, "2", "inspect", "-f", "{{.RestartCount}}", name)
		e.Want(t, name, "start", name)
		e.Run(t, "rm", "-f", name).OK(t)
	})
}

func TestRestartKeepsAddressAndLog(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--restart", "always", "--name", name, Image,
			"sh", "-c", counted+"ip -4 -o addr show dev eth0 | awk '{print $4}'; [ $n = 1 ] && exit; echo here; sleep 1000")
		follow := e.Cmd("logs", "-f", name).Start(t)
		follow.Expect(t, "life 1\n")
		follow.Expect(t, "here\n")
		e.Run(t, "exec", name, "true").OK(t)
		out := e.OK(t, "logs", name)
		lines := strings.Split(out, "\n")
		if len(lines) != 5 || lines[1] == "" || lines[1] != lines[3] {
			t.Errorf("not the same address before and after: %q", out)
		}
		e.Want(t, name, "stop", "-t", "0", name)
		follow.Wait(t).OK(t)
		e.Want(t, "exited 1", "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)
	})
}

func TestRestartingCanBeSeenAndStopped(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		// Not to be executed: after some lives the delay is long enough to look at.
		e.OK(t, "run", "-d", "--restart", "always", "--name", name, Image, "sh", "-c", counted+"exit 4")
		logs := e.Cmd("logs", "-f", name).Start(t)
		logs.Expect(t, "life 5\n")
		e.Until(t, "restarting", "inspect", "-f", "{{.State.Status}}", name)
		if out := e.OK(t, "ps", "--filter", "name="+name, "--format", "{{.Status}}"); !strings.HasPrefix(out, "Restarting (4) ") {
			t.Errorf("ps says %q", out)
		}
		e.Run(t, "exec", name, "true").Exits(t, 1).Says(t, "is restarting")
		e.Run(t, "rm", name).Exits(t, 1)
		e.Want(t, name, "stop", name)
		e.Want(t, "exited 4", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
		logs.Wait(t).OK(t)
	})
}

func TestKillPreventsRestart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.ready(t, name, "--restart", "always")
		e.Want(t, name, "kill", name)
		e.Want(t, "exited 137", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)
	})
}

func TestRestartAfterAttachedLife(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		// As with Docker, who is attached leaves with the first life.
		r := e.Run(t, "run", "--restart", "unless-stopped", "--name", name, Image, "sh", "-c", counted+"[ $n = 1 ] && exit 6; sleep 1000")
		if r.Exits(t, 6).Out != "life 1\n" {
			t.Error(r)
		}
		e.Cmd("logs", "-f", name).Start(t).Expect(t, "life 2\n")
		e.Run(t, "rm", "-f", name).OK(t)
	})
}

func TestRestartRefusesWrongPolicies(t *testing.T) {
	e := AsUser(t)
	for flag, says := range map[string]string{
		"sometimes":      "choose no, always, unless-stopped or on-failure[:N]",
		"always:3":       "only on-failure takes a number",
		"on-failure:two": "not a number of retries",
	} {
		e.Run(t, "run", "--restart", flag, Image, "true").Exits(t, 125).Says(t, says)
	}
	e.Run(t, "run", "--rm", "--restart", "always", Image, "true").Exits(t, 125).Says(t, "--rm", "--restart")
}

// Each life has what was mounted: folders, files, and what is mounted in them.
func TestRestartKeepsBindMounts(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir, file, name := e.Folder(t), e.File(t, "file", "text\n"), e.Name(t)
		e.OK(t, "run", "-d", "--restart", "on-failure:2", "--name", name, "-v", dir+":/dir", "-v", file+":/file:ro", "-v", dir+"/made:/made",
			Image, "sh", "-c", "echo life >> /dir/lives; cat /file; touch /made/it; exit 3")
		e.Want(t, "3", "wait", name)
		e.Want(t, "text\ntext\ntext", "logs", name)
		if text, err := os.ReadFile(dir + "/lives"); string(text) != "life\nlife\nlife\n" {
			t.Errorf("%q, %v", text, err)
		}
		e.OK(t, "rm", name)
	})
}

// A full disk keeps a container neither from starting again nor from being asked
// about, also once it has ended.
func TestRestartOnAFullDisk(t *testing.T) {
	e := onSmallDisk(t, "128m")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := e.Name(t)
	e.OK(t, "run", "-d", "--name", name, "--restart", "always", "--tmpfs", "/run", Image, "sh", "-c", "trap 'exit 5' TERM; touch /run/up; until [ -e /run/go ]; do sleep 0.02; done; exit 3")
	filled := e.fill(t)
	e.OK(t, "exec", name, "touch", "/run/go")
	e.Until(t, "running 1", "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)
	e.OK(t, "exec", name, "sh", "-c", "until [ -e /run/up ]; do sleep 0.02; done")
	e.Want(t, name, "stop", name)
	e.Want(t, "exited 5 ", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", name)
	if got := e.OK(t, "ps", "-a", "--format", "{{.Status}}"); !strings.HasPrefix(got, "Exited (5) ") || strings.Contains(got, "killed") {
		t.Errorf("ps says %q", got)
	}
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "start", name)
	e.Want(t, "running 0", "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)
	e.OK(t, "rm", "-f", name)
}
