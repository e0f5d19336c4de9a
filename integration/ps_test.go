package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// own limits `ps` to containers that carry the label; tests share installations.
func own(label string, args ...string) []string {
	return append([]string{"ps", "-a", "--filter", "label=test=" + label}, args...)
}

// names are the containers that `ps` lists, sorted.
func (e *Env) listed(t *testing.T, args ...string) string {
	t.Helper()
	list := strings.Fields(e.OK(t, append(args, "--format", "{{.Names}}")...))
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestPsFilters(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		a, b, c := e.Name(t), e.Name(t), e.Name(t)
		data := e.Folder(t)
		e.OK(t, "create", "--name", a, "-l", "test="+a, "-l", "first", "-v", data+":/data", Image, "true")
		e.Run(t, "run", "--name", b, "-l", "test="+a, "--network", "none", Image, "sh", "-c", "exit 3").Exits(t, 3)
		e.OK(t, "run", "-d", "--name", c, "-l", "test="+a, "-p", "0:8080", Image, "sleep", "1000")
		id := e.OK(t, "inspect", "-f", "{{.Id}}", b)
		port := e.OK(t, "inspect", "-f", `{{(index (index .NetworkSettings.Ports "8080/tcp") 0).HostPort}}`, c)
		image := e.OK(t, "inspect", "-f", "{{.Image}}", c)
		for _, tt := range []struct {
			filters string
			want    []string
		}{
			{"", []string{a, b, c}},
			{"id=" + id[:12], []string{b}},
			{"name=^" + a + "$", []string{a}},
			{"label=first", []string{a}},
			{"status=created", []string{a}},
			{"status=exited status=running", []string{b, c}},
			{"exited=3", []string{b}},
			{"before=" + b, []string{a}},
			{"since=" + b, []string{c}},
			{"volume=/data", []string{a}},
			{"volume=" + data, []string{a}},
			{"network=none", []string{b}},
			{"network=bridge", []string{a, c}},
			{"publish=" + port, []string{c}},
			{"publish=" + port + "/udp", nil},
			{"expose=8080", []string{c}},
			{"ancestor=" + Image, []string{a, b, c}},
			{"ancestor=" + image, []string{a, b, c}},
			{"ancestor=no-such-image", nil},
			{"health=none", []string{a, b, c}},
		} {
			args := own(a)
			for _, f := range strings.Fields(tt.filters) {
				args = append(args, "--filter", f)
			}
			slices.Sort(tt.want)
			if got := e.listed(t, args...); got != strings.Join(tt.want, " ") {
				t.Errorf("%s: got %q, want %q", tt.filters, got, tt.want)
			}
		}
		e.Run(t, "ps", "--filter", "colour=red").Exits(t, 125).Says(t, "colour", "ancestor", "status")
		e.Run(t, "ps", "--filter", "since=no-such-one").Exits(t, 125).Says(t, "no-such-one")
	})
}

// Without -a only what runs is listed, except where a flag or filter asks for more.
func TestPsWhich(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		up, down := e.Name(t), e.Name(t)
		e.OK(t, "run", "-d", "--name", up, "-l", "test="+up, Image, "sleep", "1000")
		e.OK(t, "create", "--name", down, "-l", "test="+up, Image, "true")
		label := "label=test=" + up
		for _, tt := range []struct {
			args []string
			want []string
		}{
			{nil, []string{up}},
			{[]string{"-a"}, []string{up, down}},
			{[]string{"--filter", "status=created"}, []string{down}},
			{[]string{"-l"}, []string{down}},
			{[]string{"-n", "1"}, []string{down}},
			{[]string{"-n", "2"}, []string{up, down}},
		} {
			slices.Sort(tt.want)
			if got := e.listed(t, append([]string{"ps", "--filter", label}, tt.args...)...); got != strings.Join(tt.want, " ") {
				t.Errorf("ps %v: got %q, want %q", tt.args, got, tt.want)
			}
		}
		for _, alias := range [][]string{{"container", "ls"}, {"container", "list"}, {"container", "ps"}} {
			if got := e.listed(t, append(alias, "--filter", label)...); got != up {
				t.Errorf("%v lists %q", alias, got)
			}
		}
		e.Want(t, down+"\n"+up, own(up, "--format", "{{.Names}}")...) // the newest first
	})
}

func TestPsFormats(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		data := e.Folder(t)
		id := e.OK(t, "create", "--name", name, "-l", "test="+name, "-l", "com.example.some-key=v", "-v", data+":/data:ro", Image, "sh", "-c", "echo one two three four")
		for _, tt := range []struct{ format, want string }{
			{"{{.ID}} {{.Names}} {{.Image}}", id[:12] + " " + name + " " + Image},
			{"{{.Command}}", `"sh -c 'echo one two…"`},
			{"{{.Status}}|{{.State}}|{{.Ports}}|{{.Networks}}", "Created|created||bridge"},
			{`{{.Label "com.example.some-key"}}`, "v"},
			{"{{.Labels}}", "com.example.some-key=v,test=" + name},
			{"{{upper .Names}} {{truncate .ID 3}} {{pad .State 1 1}}|", strings.ToUpper(name) + " " + id[:3] + "  created |"},
			{`{{join (split .Image "t") "T"}} {{title .State}} {{lower "A"}}`, strings.ReplaceAll(Image, "t", "T") + " Created a"},
			{"{{json .Names}}", `"` + name + `"`},
			{"{{.Names}}{{println}}{{.State}}", name + "\ncreated"},
			{`table {{.Names}}\t{{.Label "com.example.some-key"}}`, "NAMES     SOME KEY\n" + name + strings.Repeat(" ", 10-len(name)) + "v"},
		} {
			e.Want(t, tt.want, own(name, "--format", tt.format)...)
		}
		e.Want(t, id+" "+data, own(name, "--no-trunc", "--format", "{{.ID}} {{.Mounts}}")...)
		e.Want(t, id[:12], own(name, "-q")...)
		e.Run(t, "ps", "--format", "{{.Nonsense}}", "-a").Exits(t, 125).Says(t, "Nonsense")
		e.Run(t, "ps", "--format", "{{").Exits(t, 125)

		var row map[string]string
		text := e.OK(t, own(name, "--format", "json")...)
		if err := json.Unmarshal([]byte(text), &row); err != nil || row["ID"] != id[:12] || row["Mounts"] == "" || row["Status"] != "Created" {
			t.Errorf("%v: %s", err, text)
		}
	})
}

// What a container wrote is counted, as the owner that wrote it and unreadable
// for everybody else.
func TestPsSize(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.OK(t, "run", "--name", name, "-l", "test="+name, Image, "sh", "-c",
			"mkdir -m 700 /tmp/d; head -c 5000 /dev/zero >/tmp/d/f; ln /tmp/d/f /tmp/d/g; chown -R 405:100 /tmp/d")
		size := e.OK(t, own(name, "-s", "--format", "{{.Size}}")...)
		if !strings.HasPrefix(size, "5kB (virtual ") {
			t.Errorf("ps -s says %q", size)
		}
		if header, _, _ := strings.Cut(e.OK(t, own(name, "-s")...), "\n"); !strings.HasSuffix(strings.TrimSpace(header), "SIZE") {
			t.Errorf("no column for it: %q", header)
		}
		e.Want(t, "5000 true", "inspect", "-s", "-f", "{{.SizeRw}} {{gt .SizeRootFs .SizeRw}}", name)
	})
}

// As with Docker, a container that has never run is "created", also when it
// was tried in vain.
func TestPsFailedStart(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Run(t, "run", "--name", name, Image, "no-such-command").Exits(t, 127)
		e.Want(t, "Created", "ps", "-a", "--filter", "name=^"+name+"$", "--format", "{{.Status}}")
		if got := e.OK(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", name); !strings.HasPrefix(got, "created 127 exec: ") {
			t.Error(got)
		}
		e.Run(t, "start", name).Exits(t, 1).Says(t, "no-such-command")
		e.OK(t, "rm", name)
	})
}

// A container whose image has lost its name is shown with the image's id.
func TestPsImageThatLostItsName(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "tag", Image, "other:1")
	name := e.Name(t)
	e.OK(t, "create", "--name", name, "other:1", "true")
	e.Want(t, "other:1", "ps", "-a", "--format", "{{.Image}}")
	id := e.OK(t, "image", "inspect", "-f", "{{.Id}}", "other:1")
	e.OK(t, "rmi", "other:1")
	e.Want(t, strings.TrimPrefix(id, "sha256:")[:12], "ps", "-a", "--format", "{{.Image}}")
	e.Want(t, id, "ps", "-a", "--no-trunc", "--format", "{{.Image}}")
	e.OK(t, "tag", Image, "other:1")
	e.Want(t, "other:1", "ps", "-a", "--format", "{{.Image}}")
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
