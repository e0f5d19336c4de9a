package integration

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// context makes a folder with files in it for a build.
func (e *Env) context(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := e.Folder(t)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		e.own(t, path)
		e.own(t, filepath.Dir(path))
	}
	return dir
}

// built builds a context and returns the image's id.
func (e *Env) built(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return e.OK(t, append(append([]string{"build", "-q"}, args...), dir)...)
}

func TestBuildMakesWhatTheFileSays(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{
		"a.txt": "a", "sub/b": "b", "sub/skip.o": "o", ".dockerignore": "*.md\n**/*.o\n", "no.md": "",
		"Dockerfile": `ARG BASE=alpine:3.20
FROM ${BASE} AS base
ARG WHO=nobody
ENV A=1 B="two ${WHO}"
LABEL l=v
RUN echo $WHO $A >/said && mkdir -m 1777 /t && rm /etc/motd
WORKDIR /w
WORKDIR d
COPY --chown=65534:1 --chmod=640 a.txt sub /data/
FROM scratch AS part
COPY --from=base /said /x/
FROM base
COPY --from=part /x/said ./
COPY <<"EOF" /doc
plain $A
EOF
USER nobody
EXPOSE 80 53/udp
VOLUME /v
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["cat"]
CMD ["/doc"]
`})
	id := e.built(t, dir, "-t", "made:1", "-t", "made:2", "--build-arg", "WHO=me", "--label", "m=n")
	e.Want(t, id, "image", "inspect", "-f", "{{.Id}}", "made:2")
	e.Want(t, "plain $A", "run", "--rm", "made:1")
	e.Want(t, "me 1\nme 1", "run", "--rm", "made:1", "/w/d/said", "/said")
	e.Want(t, "A=1 B=two me nobody /w/d v n SIGINT [CMD-SHELL true] map[53/udp:{} 80/tcp:{}] map[/v:{}]", "image", "inspect", "-f",
		`{{index .Config.Env 1}} {{index .Config.Env 2}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.Labels.l}} {{.Config.Labels.m}} `+
			`{{.Config.StopSignal}} {{.Config.Healthcheck.Test}} {{.Config.ExposedPorts}} {{.Config.Volumes}}`, "made:1")
	e.Want(t, "640 65534 1 /data/a.txt\n640 65534 1 /data/b\n1777 0 0 /t\n755 0 0 /w/d", "run", "--rm", "-u", "0", "--entrypoint", "stat",
		"made:1", "-c", "%a %u %g %n", "/data/a.txt", "/data/b", "/t", "/w/d")
	e.Run(t, "run", "--rm", "--entrypoint", "ls", "made:1", "/data/skip.o", "/etc/motd").Says(t, "/data/skip.o", "/etc/motd", "No such file")
	if again := e.built(t, dir, "-t", "made:1", "--build-arg", "WHO=me", "--label", "m=n"); again != id {
		t.Errorf("the same build gave %s, and before %s", again, id)
	}
}

func TestBuildHistory(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "", "Dockerfile": "FROM scratch\nARG X=1\nENV A=b\nCOPY f /\nCMD [\"/f\"]\nONBUILD COPY f /g\n"})
	e.built(t, dir, "-t", "history")
	file := filepath.Join(e.Folder(t), "oci.tar")
	e.OK(t, "save", "--format", "oci-archive", "-o", file, "history")
	config := configIn(t, file)
	var lines []string
	for _, h := range config.History {
		line := h.CreatedBy
		if h.Empty {
			line += " (empty)"
		}
		lines = append(lines, line)
	}
	want := "ARG X=1 (empty)\nENV A=b (empty)\nCOPY f / # buildkit\nCMD [\"/f\"] (empty)"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("history is\n%s\nand should be\n%s", got, want)
	}
	if config.Config.WorkingDir != "/" || len(config.Config.OnBuild) != 1 || !config.Config.ArgsEscaped {
		t.Errorf("got %+v", config.Config)
	}
	above := e.context(t, map[string]string{"f": "trigger", "Dockerfile": "FROM history\n"})
	e.built(t, above, "-t", "above")
	e.Want(t, "[]", "image", "inspect", "-f", "{{.Config.OnBuild}}", "above")
}

// builtConfig is the part of an image's configuration that tests look at.
type builtConfig struct {
	Config struct {
		WorkingDir  string
		OnBuild     []string
		ArgsEscaped bool
	}
	History []struct {
		CreatedBy string `json:"created_by"`
		Empty     bool   `json:"empty_layer"`
	}
}

// configIn finds the configuration in an archive: the one file with a history.
func configIn(t testing.TB, file string) (config builtConfig) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(bytes.NewReader(data)); ; {
		if _, err := archive.Next(); err != nil {
			t.Fatalf("no configuration in %s: %v", file, err)
		}
		var c builtConfig
		if json.NewDecoder(archive).Decode(&c) == nil && len(c.History) > 0 {
			return c
		}
	}
}

func TestBuildCacheIsByContent(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"a": "1", "b": "1", "Dockerfile": "FROM alpine:3.20\nCOPY a /\nRUN head -c 8 /dev/urandom | od -x >/random\nCOPY b /\n"})
	random := func(args ...string) string {
		t.Helper()
		e.built(t, dir, append([]string{"-t", "cache"}, args...)...)
		return e.OK(t, "run", "--rm", "cache", "cat", "/random")
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first := random()
	write("a", "1") // another time stamp
	write("b", "2")
	if random() != first {
		t.Error("a later file, or a time stamp, made the step run again")
	}
	if random("--label", "x=y") != first {
		t.Error("a label made the step run again")
	}
	write("a", "2")
	second := random()
	if second == first {
		t.Error("a file that changed was taken from the cache")
	}
	if random("--no-cache") == second {
		t.Error("--no-cache took the step from the cache")
	}
	write("a", "1")
	if random() != first {
		t.Error("the result of an earlier content was forgotten")
	}
}

// What is built again as it is there writes no list of the store, which would wait for
// the disk, and no record of all the images.
func TestBuildAgainLeavesTheListOfImages(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM " + Image + "\nRUN echo again >/f\n"})
		name := e.Name(t)
		id := e.OK(t, "build", "-q", "-t", name, dir)
		list := filepath.Join(e.store(), "overlay-images", "images.json")
		before, err := os.Stat(list)
		if err != nil {
			t.Fatal(err)
		}
		e.Want(t, id, "build", "-q", "-t", name, dir)
		if after, err := os.Stat(list); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s was written again: %v, %v", list, after, err)
		}
		// A name more is one.
		e.Want(t, id, "build", "-q", "-t", name, "-t", name+":more", dir)
		e.Want(t, id, "image", "inspect", "-f", "{{.Id}}", name+":more")
		e.OK(t, "rmi", name, name+":more")
	})
}

func TestBuildErrors(t *testing.T) {
	e := AsUser(t)
	for _, c := range []struct{ name, file, says string }{
		{"instruction", "FROM alpine:3.20\nRUM true\n", "Dockerfile:2: unknown instruction: RUM (did you mean RUN?)"},
		{"missing file", "FROM alpine:3.20\nCOPY nothing /\n", `Dockerfile:2: "nothing": not found in the context`},
		{"above the context", "FROM scratch\nCOPY ../../etc/passwd /\n", `not found in the context`},
		{"ignored", "FROM scratch\nCOPY left /\n", ".dockerignore leaves it out"},
		{"link out", "FROM scratch\nCOPY out /\n", "not found in the context"},
		{"later stage", "FROM scratch AS a\nCOPY --from=b /x /\nFROM a AS b\n", "circular dependency"},
		{"itself", "FROM scratch AS a\nCOPY --from=a /x /\n", "circular dependency"},
		{"exit code", "FROM alpine:3.20\nRUN echo oh no; exit 3\n", "oh no"},
		{"several into a file", "FROM scratch\nCOPY f* /x\n", "slash"},
		{"empty", "", "is empty"},
		{"no stage", "FROM scratch AS builder\nFROM scratch\nCOPY --from=buidler /x /\n", "Dockerfile:3: no stage is called buidler, and as an image: "},
		{"zero byte", "FROM alpine:3.20\nRUN echo a\x00; false\n", "Dockerfile:2: the line has a zero byte"},
		{"directive", "# escape=x\nFROM scratch\n", "rl: Dockerfile: invalid escape token"},
	} {
		dir := e.context(t, map[string]string{"Dockerfile": c.file, "left": "", "f1": "", "f2": "", ".dockerignore": "left\n"})
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
		target := "--target="
		if c.name == "later stage" {
			target = "--target=b"
		}
		r := e.Run(t, "build", target, "-t", "bad", dir).Exits(t, 1).Says(t, c.says)
		if !strings.Contains(r.Err, "rl: ") {
			t.Errorf("%s: got %s", c.name, r)
		}
	}
	e.Run(t, "image", "inspect", "bad").Exits(t, 1)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	e.Run(t, "build", "--target", "x", dir).Exits(t, 1).Says(t, "no such stage")
	e.Run(t, "build", "/no/such/folder").Exits(t, 125).Says(t, "/no/such/folder")
	e.Run(t, "build", "-f", "/no/such/file", dir).Exits(t, 125).Says(t, "/no/such/file")
	e.Run(t, "build", "-t", "Upper", dir).Exits(t, 125).Says(t, "Upper")
	e.Run(t, "build", "--rm=false", "-t", "kept", dir).Exits(t, 125).Says(t, "--rm=false", "--debug")
}

func TestBuildLeavesNoProcess(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN (sleep 1000 &) ; (setsid sleep 1000 &) ; echo started\n"})
	e.built(t, dir, "-t", "forks")
	for _, p := range e.Processes() {
		if strings.Contains(strings.Join(p.Args, " "), "sleep 1000") {
			t.Errorf("left behind: %s", p)
		}
	}
}

func TestBuildUnpacksArchives(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nADD root.tar /into\nADD plain /into/\nCOPY root.tar /kept\n", "plain": "p"})
	if err := os.WriteFile(filepath.Join(dir, "root.tar"), smallRootfs(t), 0o644); err != nil {
		t.Fatal(err)
	}
	e.built(t, dir, "-t", "unpacked")
	above := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nCOPY --from=unpacked / /u\nRUN stat -c '%a %u %g %N' /u/into/etc/file /u/into/etc/link /u/into/plain /u/kept >/out\n"})
	e.built(t, above, "-t", "look")
	e.Want(t, "640 1234 42 /u/into/etc/file\n777 0 0 '/u/into/etc/link' -> 'file'\n644 0 0 /u/into/plain\n644 0 0 /u/kept",
		"run", "--rm", "look", "cat", "/out")
}

// What is in an archive wins over what is there; an owner who cannot be is named.
func TestBuildUnpacksOverWhatIsThere(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "f", "Dockerfile": "FROM alpine:3.20\nADD over.tar /\n",
		"over.tar":    string(tarOf(t, textFile("opt", "file"), tar.Header{Name: "etc/motd/", Typeflag: tar.TypeDir, Mode: 0o755}, textFile("etc/motd/in", "in"))),
		"foreign.tar": string(tarOf(t, tar.Header{Name: "foreign", Typeflag: tar.TypeReg, Mode: 0o644, Uid: 5000000, Gid: 7}))})
	e.built(t, dir, "-t", "over")
	e.Want(t, "filein", "run", "--rm", "over", "cat", "/opt", "/etc/motd/in")
	for _, line := range []string{"ADD foreign.tar /", "COPY --chown=5000000:7 f /"} {
		bad := filepath.Join(dir, "Dockerfile")
		if err := os.WriteFile(bad, []byte("FROM alpine:3.20\n"+line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		e.Run(t, "build", dir).Exits(t, 1).Says(t, "cannot belong to 5000000:7", "/etc/subuid", "--chown")
	}
}

func TestBuildIsReproducible(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM alpine:3.20\nRUN echo x >/x\nCOPY f /\nWORKDIR /w\n"})
	build := func() string {
		return e.built(t, dir, "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1000000000")
	}
	if first, second := build(), build(); first != second {
		t.Errorf("two builds gave %s and %s", first, second)
	}
}

// What was built can be loaded where it was built.
func TestBuildSavedAndLoaded(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"f": "x", "Dockerfile": "FROM alpine:3.20\nRUN echo x >/x\nCOPY f /\nCMD [\"cat\", \"/x\"]\n"})
	name := e.Name(t) + ":1"
	e.OK(t, "build", "-q", "-t", name, dir)
	for _, format := range []string{"docker-archive", "oci-archive"} {
		file := filepath.Join(e.Folder(t), "image.tar")
		e.OK(t, "save", "--format", format, "-o", file, name)
		e.Want(t, "Loaded image: "+name, "load", "-i", file)
	}
	e.OK(t, "rmi", name)
}

func TestBuildKilled(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo first\nRUN echo waiting; sleep 1000\n"})
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, os.Kill} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := e.Cmd("build", "-t", "killed", dir).Process(t.Context())
		p.Stdout, p.Stderr = nil, writer
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		writer.Close()
		for lines := bufio.NewScanner(reader); lines.Scan() && !strings.HasSuffix(lines.Text(), " waiting"); {
		}
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		// Ends when the last process that could write has: the step's too.
		if _, err := io.Copy(io.Discard, reader); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait()
		reader.Close()
		for _, p := range e.Processes() {
			if strings.Contains(strings.Join(p.Args, " "), "sleep 1000") {
				t.Errorf("after %v: left behind: %s", signal, p)
			}
		}
	}
	small := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo first\n"})
	e.Run(t, "build", small).Exits(t, 0).Says(t, "CACHED")
	if left, err := filepath.Glob(filepath.Join(e.Data(), "tmp", "build-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	e.Run(t, "image", "inspect", "killed").Exits(t, 1)
}
