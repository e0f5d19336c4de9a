package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLogOptions(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "--name", name, "-l", "tier=front", "-l", "other=x", "-e", "MODE=fast", "--log-opt", "tag={{.Name}}/{{.ImageName}}",
			"--log-opt", "labels=tier,gone", "--log-opt", "env-regex=^MO", Image, "echo", "text")
		e.Want(t, "MODE=fast,tag="+name+"%2F"+Image+",tier=front text", "logs", "--details", name)
		e.Want(t, "text", "logs", name)
		e.Want(t, "tier,gone ^MO", "inspect", "-f", `{{index .HostConfig.LogConfig.Config "labels"}} {{index .HostConfig.LogConfig.Config "env-regex"}}`, name)
		e.OK(t, "rm", name)
	})
}

func TestLogOptionsAreChecked(t *testing.T) {
	e := AsUser(t)
	for opt, says := range map[string]string{"tag={{.Secret}}": "ImageName", "labels-regex=(": "regexp", "size=1": "max-size", "compress=maybe": "true or false"} {
		e.Run(t, "run", "--log-opt", opt, Image, "true").Exits(t, 125).Says(t, "log option", says)
	}
}

// A disk that is full takes neither the container nor what is logged later, and
// what was lost is told while it is so and afterwards.
func TestLogDiskFull(t *testing.T) {
	e := onSmallDisk(t, "128m")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := e.Name(t)
	e.OK(t, "run", "-d", "--name", name, "--log-opt", "max-size=-1", "--tmpfs", "/run", Image, "sh", "-c",
		"echo begun; until [ -e /run/full ]; do sleep 0.02; done; seq 100000; touch /run/told; until [ -e /run/free ]; do sleep 0.02; done; echo later")
	follow := e.Cmd("logs", "-f", name).Start(t)
	follow.Expect(t, "begun\n")
	filled := e.fill(t)
	e.OK(t, "exec", name, "sh", "-c", "touch /run/full; until [ -e /run/told ]; do sleep 0.02; done")
	e.Run(t, "logs", "--tail", "1", name).Says(t, "not all of the output was kept", "no space left")
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "exec", name, "touch", "/run/free")
	follow.Expect(t, "later\n")
	e.Want(t, "0", "wait", name)
	follow.Wait(t).OK(t)
	e.Run(t, "logs", name).Says(t, "lines were lost", "no space left")
	if got := e.OK(t, "inspect", "-f", "{{.State.LogError}}", name); !strings.Contains(got, "lines were lost") {
		t.Errorf("inspect says %q", got)
	}
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

// Files that were set aside are gzipped, which no reader notices.
func TestLogsCompressed(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "-d", "--name", name, "--log-opt", "compress=true", "--log-opt", "max-size=20k", "--log-opt", "max-file=1000", Image, "sh", "-c",
			"seq 100000 102000; until [ -e /go ]; do sleep 0.02; done; seq 102001 104000")
		log := e.OK(t, "inspect", "-f", "{{.LogPath}}", name)
		e.Tool("sh", "-c", "until [ -e "+log+".1.gz ]; do sleep 0.02; done").Run(t).OK(t)
		follow := e.Cmd("logs", "-f", name).Start(t)
		follow.Expect(t, "102000\n")
		e.OK(t, "exec", name, "touch", "/go")
		follow.Expect(t, "104000\n")
		e.Want(t, "0", "wait", name)
		all := numbersTo(100000, 104000)
		if r := follow.Wait(t).Exits(t, 0); r.Out != all {
			t.Errorf("followed: %d bytes, want %d", len(r.Out), len(all))
		}
		if got := e.OK(t, "logs", name) + "\n"; got != all {
			t.Errorf("read: %d bytes, want %d", len(got), len(all))
		}
		if got := e.OK(t, "logs", "--tail", "3500", name) + "\n"; got != numbersTo(100501, 104000) {
			t.Errorf("the last 3500: %d bytes", len(got))
		}
		stamp, _, _ := strings.Cut(e.OK(t, "logs", "-t", "--tail", "1", name), " ")
		if got := e.OK(t, "logs", "--since", stamp, name); !strings.HasSuffix(got, "104000") || strings.Contains(got, "102000") {
			t.Errorf("since the last: %d bytes", len(got))
		}
		e.Want(t, "true", "inspect", "-f", `{{index .HostConfig.LogConfig.Config "compress"}}`, name)
		e.OK(t, "rm", name)
	})
}

// numbersTo are lines as seq prints them.
func numbersTo(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
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
