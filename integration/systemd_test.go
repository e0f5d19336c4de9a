package integration

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSystemdInstallListRemove(t *testing.T) {
	e := AsUser(t)
	name, config := e.Name(t), e.Folder(t)
	e.OK(t, "create", "--name", name, "--restart", "on-failure", "--stop-timeout", "7", Image, "true")
	rl := func(args ...string) Result {
		return e.Cmd(append([]string{"systemd"}, args...)...).Set("XDG_CONFIG_HOME=" + config).Run(t)
	}
	path := filepath.Join(config, "systemd/user", name+".service")
	if got := rl("install", name).OK(t); got != path {
		t.Errorf("install prints %q", got)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Type=notify\n", "Delegate=yes\n", "Restart=on-failure\n", "TimeoutStopSec=17\n", " start --attach " + name + "\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	rl("install", name).Exits(t, 125).Says(t, "--replace")
	rl("install", "--replace", name).OK(t)
	if got := rl("list").OK(t); got != name+".service" {
		t.Errorf("list prints %q", got)
	}
	if got := rl("show", name).OK(t); got != strings.TrimSpace(string(text)) {
		t.Errorf("show prints %q", got)
	}
	if got := rl("remove", name).OK(t); got != name+".service" {
		t.Errorf("remove prints %q", got)
	}
	rl("remove", name).Exits(t, 125).Says(t, "no unit")
	rl("install", "nobody").Exits(t, 125).Says(t, "no such container")
}

// A container that lives in another's network needs that one's unit.
func TestSystemdInstallBringsWhatIsJoined(t *testing.T) {
	e := AsUser(t)
	db, web, config := e.Name(t), e.Name(t), "XDG_CONFIG_HOME="+e.Folder(t)
	e.OK(t, "create", "--name", db, Image, "true")
	install := func(args ...string) Result {
		return e.Cmd(append([]string{"systemd", "install"}, args...)...).Set(config).Run(t)
	}
	units := func() string { return e.Cmd("systemd", "list").Set(config).Run(t).OK(t) }
	install("run", "--name", web, "--network", "container:"+db, Image, "true").OK(t)
	if got := strings.Fields(units()); len(got) != 2 || !slices.Contains(got, db+".service") || !slices.Contains(got, web+".service") {
		t.Errorf("there are %v", got)
	}
	if got := e.Cmd("systemd", "show", web).Set(config).Run(t).OK(t); !strings.Contains(got, "Requires="+db+".service\nAfter="+db+".service\n") {
		t.Errorf("%s does not need %s:\n%s", web, db, got)
	}
}

// What cannot have a unit is not made.
func TestSystemdInstallRunRefused(t *testing.T) {
	e := AsUser(t)
	name, config := e.Name(t), "XDG_CONFIG_HOME="+e.Folder(t)
	install := func(args ...string) Result {
		return e.Cmd(append([]string{"systemd", "install", "run", "--name", name}, args...)...).Set(config).Run(t)
	}
	install("--rm", Image, "true").Exits(t, 125).Says(t, "--rm")
	e.Want(t, "", "ps", "-aq", "--filter", "name="+name)
	install(Image, "true").OK(t)
	e.OK(t, "rm", name)
	install(Image, "true").Exits(t, 125).Says(t, "--replace")
	e.Want(t, "", "ps", "-aq", "--filter", "name="+name)
}

// An instance has no file: removing it leaves the template.
func TestSystemdRemoveInstance(t *testing.T) {
	e := AsUser(t)
	config := "XDG_CONFIG_HOME=" + e.Folder(t)
	e.Cmd("systemd", "install", e.File(t, "job@.container", "[Container]\nImage="+Image+"\n")).Set(config).Run(t).OK(t)
	for _, name := range []string{"job@one", "job@"} {
		if got := e.Cmd("systemd", "list").Set(config).Run(t).OK(t); got != "job@.service" {
			t.Errorf("before %s is removed, there is %q", name, got)
		}
		if got := e.Cmd("systemd", "remove", name).Set(config).Run(t).OK(t); got != name+".service" {
			t.Errorf("remove prints %q", got)
		}
	}
	if left := e.Cmd("systemd", "list").Set(config).Run(t).OK(t); left != "" {
		t.Errorf("there is still %s", left)
	}
}

func TestSystemdQuadletNamesTheLine(t *testing.T) {
	e := AsUser(t)
	config := e.Folder(t)
	bad := e.File(t, "web.container", "[Container]\nImage="+Image+"\nColour=red\n")
	e.Cmd("systemd", "install", bad).Set("XDG_CONFIG_HOME="+config).Run(t).Exits(t, 125).Says(t, "web.container line 3", "Colour")
	for line, says := range map[string]string{"PodmanArgs=--tls-verify=false": "--tls-verify", "PublishPort=80800:80": "80800", "HealthRetries=many": "--health-retries"} {
		bad := e.File(t, "web.container", "[Container]\nImage="+Image+"\n"+line+"\n")
		e.Cmd("systemd", "show", bad).Run(t).Exits(t, 125).Says(t, "web.container line 3", says)
	}
	good := e.File(t, "web.container", "[Container]\nImage="+Image+"\nPublishPort=80%i:80\nIP=10.9.0.2\nNetworkAlias=a\nPublishPort=\n")
	if got := e.Run(t, "systemd", "show", good).OK(t); strings.Contains(got, "--publish") {
		t.Error(got)
	}
	pod := e.File(t, "web.pod", "[Pod]\n")
	e.Cmd("systemd", "install", pod).Set("XDG_CONFIG_HOME="+config).Run(t).Exits(t, 125).Says(t, pod, "no pods", ".container")
	if left, _ := filepath.Glob(filepath.Join(config, "*")); left != nil {
		t.Errorf("the refused file left %v", left)
	}
}

// A file brings those that it needs, once, and files that need each other are
// refused before anything is written.
func TestSystemdQuadletDependencies(t *testing.T) {
	e := AsUser(t)
	config, dir := e.Folder(t), e.Folder(t)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	install := func(args ...string) Result {
		return e.Cmd(append([]string{"systemd", "install"}, args...)...).Set("XDG_CONFIG_HOME=" + config).Run(t)
	}
	units := func() string {
		list, _ := filepath.Glob(filepath.Join(config, "systemd/user/*"))
		for i := range list {
			list[i] = filepath.Base(list[i])
		}
		return strings.Join(list, " ")
	}
	web := write("web.container", "[Unit]\nAfter=db.container\n[Container]\nImage=a\nVolume=./data:/data\n")
	db := write("db.container", "[Container]\nImage=b\nVolume=store.volume:/db\n")
	write("store.volume", "[Volume]\n")
	first := write("first.container", "[Unit]\nRequires=second.container\n[Container]\nImage=a\n")
	write("second.container", "[Unit]\nAfter=first.container\n[Container]\nImage=a\n")

	install(first).Exits(t, 125).Says(t, "circle", "first.container -> second.container -> first.container")
	if got := units(); got != "" {
		t.Errorf("the refused files left %s", got)
	}
	if got := install(web).OK(t); lines(got) != 2 || !strings.HasSuffix(got, "/web.service") {
		t.Errorf("install prints %q", got)
	}
	if got := units(); got != "db.service store-volume.service web.service" {
		t.Errorf("there are %s", got)
	}
	text, err := os.ReadFile(filepath.Join(config, "systemd/user/web.service"))
	if err != nil || !strings.Contains(string(text), "--volume "+dir+"/data:/data") {
		t.Errorf("%v\n%s", err, text)
	}
	install(db).Exits(t, 125).Says(t, "db.service", "--replace")
	if got := install("--replace", web).OK(t); lines(got) != 0 {
		t.Errorf("the second time install prints %q", got)
	}
}

var noSystemd = Requirement{"a machine without systemd", func() error {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return errors.New("this one is run by systemd")
	}
	return nil
}}

// Where there is no systemd to ask, nothing is made that it would be asked about.
func TestSystemdOutOfReach(t *testing.T) {
	Need(t, noSystemd)
	e := AsUser(t)
	name, config := e.Name(t), e.Folder(t)
	e.Cmd("systemd", "install", "--enable", "run", "--name", name, Image, "true").Set("XDG_CONFIG_HOME="+config).Run(t).
		Exits(t, 125).Says(t, "not run by systemd", "--restart")
	if left, _ := filepath.Glob(filepath.Join(config, "*")); left != nil {
		t.Errorf("it left %v", left)
	}
	e.Want(t, "", "ps", "-aq", "--filter", "name="+name)
}

// notified is a socket like systemd's.
func (e *Env) notified(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(e.Folder(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return path, func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(patience))
		buffer := make([]byte, 4096)
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("systemd is told nothing: %v", err)
		}
		return string(buffer[:n])
	}
}

func TestSystemdIsToldWhenItRuns(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		socket, next := e.notified(t)
		e.OK(t, "create", "--name", name, "--restart", "always", Image, "sh", "-c", forever)
		unit := e.Cmd("start", "--attach", name).Set("NOTIFY_SOCKET=" + socket).Start(t)
		if got := next(); !strings.HasPrefix(got, "READY=1\nMAINPID="+itoa(unit.PID())) {
			t.Errorf("systemd is told %q", got)
		}
		unit.Expect(t, "ready")
		// A person's stop is not undone by systemd's Restart.
		e.Want(t, name, "stop", name)
		unit.Wait(t).Exits(t, 200)
		// What the unit itself stops is no person's wish.
		unit = e.Cmd("start", "--attach", name).Set("NOTIFY_SOCKET=" + socket).Start(t)
		unit.Expect(t, "ready")
		e.Cmd("stop", name).Set("SERVICE_RESULT=success").Run(t).OK(t)
		unit.Wait(t).Exits(t, 5)
		// Nor is systemd's signal, when a start takes too long.
		unit = e.Cmd("start", "--attach", name).Set("NOTIFY_SOCKET=" + socket).Start(t)
		unit.Expect(t, "ready")
		unit.Signal(t, syscall.SIGTERM)
		unit.Wait(t).Exits(t, 5)
	})
}

func TestSystemdRestartsAndNotTheMonitor(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	socket, _ := e.notified(t)
	e.OK(t, "create", "--name", name, "--restart", "always", Image, "sh", "-c", "exit 3")
	e.Cmd("start", "--attach", name).Set("NOTIFY_SOCKET="+socket).Run(t).Exits(t, 3)
	e.Want(t, "exited 0", "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)
}

func TestSystemdIsToldWhenItIsHealthy(t *testing.T) {
	e := AsUser(t)
	name := e.Name(t)
	socket, next := e.notified(t)
	unit := e.Cmd("run", "--name", name, "--sdnotify", "healthy", "--health-cmd", "test -e /up", "--health-interval", "50ms",
		"--health-start-period", "60s", "--health-start-interval", "50ms", Image, "sh", "-c", forever).Set("NOTIFY_SOCKET=" + socket).Start(t)
	unit.Expect(t, "ready")
	e.OK(t, "exec", name, "touch", "/up")
	if got := next(); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("systemd is told %q", got)
	}
	e.Want(t, "healthy", "inspect", "-f", healthStatus, name)
	e.OK(t, "rm", "-f", name)
	unit.Wait(t)
}

// With --sdnotify container, it is the container that says when it is ready,
// and nobody before.
func TestSystemdIsToldByTheContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		program := e.helper(t, "notifier")
		socket, next := e.notified(t)
		unit := e.Cmd("run", "--name", name, "--sdnotify", "container", "-v", program+":/notifier:ro", Image, "sh", "-c",
			"echo begun; until [ -e /up ]; do sleep 0.02; done; exec /notifier").Set("NOTIFY_SOCKET=" + socket).Start(t)
		unit.Expect(t, "begun\n")
		e.OK(t, "exec", name, "touch", "/up")
		if got := next(); got != "READY=1\nSTATUS=the container says so" {
			t.Errorf("systemd is told %q", got)
		}
		unit.Expect(t, "told\n")
		e.OK(t, "rm", "-f", name)
		unit.Wait(t)
	})
}

func TestSystemdSocketInTheContainer(t *testing.T) {
	e := AsUser(t)
	socket, _ := e.notified(t)
	e.Cmd("run", "--rm", "--sdnotify", "container", Image, "sh", "-c", "test -S $NOTIFY_SOCKET").Set("NOTIFY_SOCKET=" + socket).Run(t).OK(t)
	e.Run(t, "run", "--sdnotify", "loudly", Image, "true").Exits(t, 125).Says(t, "--sdnotify")
}

// A unit that cannot be written is told in one line, and leaves nothing.
func TestSystemdInstallWhereNothingCanBeWritten(t *testing.T) {
	e := AsUser(t)
	name, config := e.Name(t), e.Folder(t)
	e.OK(t, "create", "--name", name, Image, "true")
	dir := filepath.Join(config, "systemd/user")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	r := e.Cmd("systemd", "install", name).Set("XDG_CONFIG_HOME="+config).Run(t).Exits(t, 1).Says(t, name+".service", "permission denied")
	if strings.Count(r.Err, "\n") != 1 {
		t.Errorf("more than one line:\n%s", r.Err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); left != nil {
		t.Errorf("it left %v", left)
	}
}
