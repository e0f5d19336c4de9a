package integration

import (
	"strings"
	"testing"
)

// checked starts a container with a health check every 50 ms.
func (e *Env) checked(t *testing.T, check string, flags ...string) (name string) {
	t.Helper()
	name = e.Name(t)
	flags = append([]string{"--health-cmd", check, "--health-interval", "50ms", "--health-retries", "2"}, flags...)
	e.ready(t, name, flags...)
	return name
}

const healthStatus = "{{.State.Health.Status}}"

func TestHealthIsSeen(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.checked(t, "echo looking; test ! -e /broken")
		e.Until(t, "healthy", "inspect", "-f", healthStatus, name)
		if out := e.OK(t, "ps", "--filter", "name="+name, "--filter", "health=healthy", "--format", "{{.Status}}"); !strings.HasSuffix(out, " (healthy)") {
			t.Errorf("ps says %q", out)
		}
		e.OK(t, "exec", name, "touch", "/broken")
		e.Until(t, "unhealthy", "inspect", "-f", healthStatus, name)
		e.Want(t, "looking\n", "inspect", "-f", "{{(index .State.Health.Log 0).Output}}", name)
		e.Until(t, "5", "inspect", "-f", "{{len .State.Health.Log}}", name)
		e.OK(t, "rm", "-f", name)
		got := e.OK(t, "events", "--until", "now", "--filter", "container="+name, "--filter", "event=health_status", "--format", "{{.Status}}")
		if want := "health_status: healthy\nhealth_status: unhealthy"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

func TestHealthStartsUnknown(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.ready(t, name, "--health-cmd", "true")
	e.Want(t, "starting [CMD-SHELL true]", "inspect", "-f", healthStatus+" {{.Config.Healthcheck.Test}}", name)
	if out := e.OK(t, "ps", "--filter", "health=starting", "--format", "{{.Names}} {{.Status}}"); !strings.Contains(out, name+" Up") || !strings.Contains(out, "(health: starting)") {
		t.Errorf("ps says %q", out)
	}
	e.OK(t, "rm", "-f", name)
}

func TestHealthProbeThatHangsOrWritesWithoutEnd(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.checked(t, "yes", "--health-timeout", "200ms")
		e.Until(t, "unhealthy", "inspect", "-f", healthStatus, name)
		e.Want(t, "-1 Health check exceeded timeout (200ms)", "inspect", "-f", "{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}", name)
		e.OK(t, "rm", "-f", name)
		name = e.checked(t, "yes | head -c 1000000; exit 1")
		e.Until(t, "unhealthy", "inspect", "-f", healthStatus, name)
		e.Want(t, "4096", "inspect", "-f", "{{len (index .State.Health.Log 0).Output}}", name)
		e.OK(t, "rm", "-f", name)
	})
}

// What a probe has started does not outlive it when it takes too long.
func TestHealthProbeThatHangsLeavesNothing(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.checked(t, "sleep 777; true", "--health-timeout", "100ms")
		e.Until(t, "5", "inspect", "-f", "{{len .State.Health.Log}}", name)
		e.OK(t, "exec", name, "sh", "-c", "while [ $(ps | grep -c '[s]leep 777') -gt 1 ]; do sleep 0.02; done")
		e.OK(t, "rm", "-f", name)
	})
}

// Nor does a probe, or anything else of it, outlive the container, where that is not
// killed with a pid namespace.
func TestHealthProbeEndsWithTheContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.Folder(t)
		name := e.checked(t, "echo $$ > /dir/probe; exec sleep 777", "--pid", "host", "-v", dir+":/dir")
		e.Tool("sh", "-c", "until [ -s "+dir+"/probe ]; do sleep 0.02; done").Run(t).OK(t)
		pid := e.Tool("cat", dir+"/probe").Run(t).OK(t)
		e.OK(t, "rm", "-f", name)
		e.Tool("sh", "-c", "while [ -e /proc/"+pid+" ]; do sleep 0.02; done").Run(t).OK(t)
	})
}

func TestHealthOnFailure(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.checked(t, "echo sorry; false", "--health-on-failure", "kill")
		e.Want(t, "137", "wait", name)
		// What the check said is still there, for who asks why.
		e.Want(t, "unhealthy 2 sorry\n", "inspect", "-f", "{{with .State.Health}}{{.Status}} {{.FailingStreak}} {{(index .Log 1).Output}}{{end}}", name)
		if got := e.OK(t, "ps", "-a", "--filter", "name=^"+name+"$", "--format", "{{.Status}}"); !strings.HasSuffix(got, " ago, unhealthy") {
			t.Errorf("ps says %q", got)
		}
		e.Want(t, "137 unhealthy", "events", "--until", "now", "--filter", "container="+name, "--filter", "event=die",
			"--format", "{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.reason}}")
		name = e.checked(t, "false", "--health-on-failure", "stop")
		e.Want(t, "5", "wait", name)
		name = e.checked(t, "test -e /second", "--health-on-failure", "restart")
		e.Until(t, "1", "inspect", "-f", "{{.RestartCount}}", name)
		e.OK(t, "rm", "-f", name)
		name = e.Name(t)
		e.Run(t, "create", "--name", name, "--health-on-failure", "kill", Image, "true").Exits(t, 125).Says(t, "--health-on-failure kill", "--health-cmd")
		e.Want(t, "", "ps", "-aq", "--filter", "name="+name)
	})
}

func TestHealthOfTheImage(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	e.Run(t, "run", "--no-healthcheck", "--health-cmd", "true", Image, "true").Exits(t, 125).Says(t, "--no-healthcheck")
	e.Run(t, "run", "--health-interval", "soon", Image, "true").Exits(t, 125).Says(t, "--health-interval")
	e.ready(t, name, "--no-healthcheck")
	e.Want(t, "none", "inspect", "-f", "{{if .State.Health}}some{{else}}none{{end}}", name)
	e.OK(t, "rm", "-f", name)
}
