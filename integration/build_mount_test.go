package integration

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildMounts(t *testing.T) {
	Need(t, RealImages)
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{
			"shown": "context", "hidden": "no", "sub/file": "sub", ".dockerignore": "hidden\n",
			"Dockerfile": `FROM alpine:3.20 AS other
RUN mkdir /o && echo stage >/o/file
FROM alpine:3.20
ARG MODE=0751
WORKDIR /w
RUN --mount=target=/c cat /c/shown /c/sub/file; ls /c/hidden; touch /c/new || echo read only
RUN --mount=type=bind,source=sub,target=rel,rw echo more >>rel/file; cat rel/file
RUN --mount=target=/c cat /c/sub/file
RUN --mount=type=bind,from=other,source=/o,target=/o cat /o/file
RUN --mount=type=bind,from=alpine:3.20,source=etc/alpine-release,target=/release cat /release
RUN --mount=type=tmpfs,target=/m,size=1m df -k /m | tail -1 | awk '{print $2, "KiB"}'
RUN --mount=target=/c --mount=type=cache,target=/c/below/it touch /c/below/it/x && echo below
RUN --mount=type=cache,id=owned,target=/var/run/owned,uid=5,gid=6,mode=${MODE} stat -c '%u:%g %a %F' /run/owned
RUN --mount=type=cache,target=/filled,from=other,source=/o cat /filled/file
RUN ls -d /c /o /m /release /filled /run/owned /w/rel; echo
`})
		r := e.Run(t, "build", "--no-cache", "--progress=plain", "-t", "mounts", dir).Exits(t, 0)
		r.Says(t, " contextsub", "hidden: No such file", "read only", " submore\n", " stage\n", " 3.20", "1024 KiB", " below\n", "5:6 751 directory",
			"ls: /c: No such file", "ls: /o: No such file", "ls: /m: No such file", "ls: /release: No such file",
			"ls: /filled: No such file", "ls: /run/owned: No such file", "ls: /w/rel: No such file")
		if content, err := os.ReadFile(filepath.Join(dir, "sub/file")); err != nil || string(content) != "sub" {
			t.Errorf("the context was changed: %q, %v", content, err)
		}
	})
}

// TestBuildMountsDecideTheCache changes files that a bind mount shows, and others.
func TestBuildMountsDecideTheCache(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"in/a": "1", "out": "1", "in/skip": "1", ".dockerignore": "in/skip\n",
		"Dockerfile": "FROM alpine:3.20\nRUN --mount=source=in,target=/in --mount=type=secret,id=s true\n"})
	again := func(want bool, args ...string) {
		t.Helper()
		r := e.Run(t, append([]string{"build", "--progress=plain", dir}, args...)...).Exits(t, 0)
		if cached := strings.Contains(r.Err, "CACHED"); cached != want {
			t.Errorf("from the cache: %v, want %v:\n%s", cached, want, r.Err)
		}
	}
	again(false)
	again(true)
	for name, cached := range map[string]bool{"out": true, "in/skip": true, "in/a": false} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("2"), 0o644); err != nil {
			t.Fatal(err)
		}
		again(cached)
	}
	again(true, "--secret", "id=s,src="+filepath.Join(dir, "out")) // a secret decides nothing
}

func TestBuildCacheMountsLive(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=cache,id=lives,target=/cache echo x >>/cache/n; wc -l </cache/n\n"})
		for _, lines := range []string{" 1\n", " 2\n"} {
			e.Run(t, "build", "--no-cache", "--progress=plain", dir).Exits(t, 0).Says(t, lines)
		}
		if df := e.OK(t, "system", "df", "-v"); !strings.Contains(df, "exec.cachemount") {
			t.Errorf("system df does not show the cache mount:\n%s", df)
		}
		e.OK(t, "builder", "prune", "-f")
		e.Run(t, "build", "--no-cache", "--progress=plain", dir).Exits(t, 0).Says(t, " 1\n")
	})
}

// held is a build whose RUN keeps a cache mount until it is let go.
type held struct {
	build *exec.Cmd
	lines *bufio.Scanner
	fifo  string
}

func (e *Env) holdCache(t *testing.T, mode string) held {
	t.Helper()
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=cache,id=" + mode + ",target=/c,sharing=" + mode +
		" mkfifo /c/go; echo holding; cat /c/go; head -c 20000000 /dev/zero | md5sum; touch /c/went\n"})
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	h := held{build: e.Cmd("build", "--progress=plain", dir).Process(t.Context()), lines: bufio.NewScanner(reader)}
	h.build.Stdout, h.build.Stderr = nil, writer
	if err := h.build.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	for h.lines.Scan() && !strings.HasSuffix(h.lines.Text(), " holding") {
	}
	found, err := filepath.Glob(filepath.Join(e.Data(), "build", "mounts", "*", "fs", "go"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the cache mount has %q: %v", found, err)
	}
	h.fifo = found[0]
	return h
}

func (h held) letGo(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(h.fifo, nil, 0); err != nil {
		t.Fatal(err)
	}
	for h.lines.Scan() {
	}
	if err := h.build.Wait(); err != nil {
		t.Error(err)
	}
}

func TestBuildSharesCacheMounts(t *testing.T) {
	for mode, says := range map[string]string{"shared": "not yet", "private": "empty", "locked": "went"} {
		t.Run(mode, func(t *testing.T) {
			e := Fresh(t, Ordinary)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			h := e.holdCache(t, mode)
			dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=cache,id=" + mode + ",target=/c,sharing=" + mode +
				" if [ -e /c/went ]; then echo it went; elif [ -e /c/go ]; then echo it is not yet; else echo it is empty; fi\n"})
			second := e.Cmd("build", "--progress=plain", dir)
			if mode != "locked" {
				second.Run(t).Exits(t, 0).Says(t, " "+says+"\n")
				e.OK(t, "builder", "prune", "-f")
				if _, err := os.Stat(h.fifo); err != nil {
					t.Errorf("a cache mount in use was pruned: %v", err)
				}
				h.letGo(t)
				return
			}
			p := second.Process(t.Context())
			out, err := p.StderrPipe()
			if err == nil {
				err = p.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), "RUN --mount") {
			}
			h.letGo(t)
			text := ""
			for lines.Scan() {
				text += lines.Text() + "\n"
			}
			if err := p.Wait(); err != nil || !strings.Contains(text, " it went\n") {
				t.Errorf("the second build did not wait: %v\n%s", err, text)
			}
		})
	}
}

// everywhere looks for a text in all files below a folder, and in their names.
func everywhere(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) || strings.Contains(path, text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestBuildSecrets(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		Need(t, Superuser) // to read the whole store
		const value = "correct-horse-battery"
		keep := e.context(t, map[string]string{"password": value})
		if err := os.Chmod(keep, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(keep, "password"), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := e.context(t, map[string]string{"Dockerfile": `FROM alpine:3.20
RUN --mount=type=secret,id=a --mount=type=secret,id=b,target=/b,mode=0440,uid=3,gid=4 stat -c '%n %a %u:%g' /run/secrets/a /b; md5sum </run/secrets/a
RUN --mount=type=secret,id=a,env=PASS --mount=type=secret,id=b,env=,target=/also test "$PASS" = "$b" && test "$(cat /also)" = "$b" && echo same
RUN --mount=type=secret,id=none,target=/none ls /none || echo optional
RUN --mount=type=secret,target=/run/a,id=a wc -c /run/a
RUN ls /run/secrets /b /also /run/a; env | grep -c PASS; echo
`})
		r := e.Cmd("build", "--no-cache", "--progress=plain", "-t", "secrets", "--secret", "id=a,src="+filepath.Join(keep, "password"),
			"--secret", "id=b,env=SECRET_OF_TEST", "--metadata-file", filepath.Join(e.Folder(t), "m"), dir).Set("SECRET_OF_TEST="+value).Run(t).Exits(t, 0)
		r.Says(t, "/run/secrets/a 400 0:0", "/b 440 3:4", " same\n", "optional", "21 /run/a", "ls: /b: No such file", "ls: /also: No such file", " 0\n")
		if strings.Contains(r.Out+r.Err, value) {
			t.Errorf("the secret is in the log: %s", r)
		}
		if err := os.RemoveAll(keep); err != nil {
			t.Fatal(err)
		}
		for _, place := range []string{e.Data(), e.Home, e.Runtime} {
			if found := everywhere(t, place, value); len(found) > 0 {
				t.Errorf("the secret is in %q", found)
			}
		}
		need := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=secret,id=need,required true\n"})
		e.Run(t, "build", need).Exits(t, 1).Says(t, "Dockerfile:2", "--secret id=need,src=FILE")
		for _, bad := range []string{"id=a,src=/no/such/file", "src=x", "id=a,env=NO_SUCH_VARIABLE", "id=a,color=red", "id=a,type=x,src=y", ""} {
			e.Run(t, "build", "--secret", bad, dir).Exits(t, 125)
		}
	})
}

// agentOf starts ssh-agent with one key of the Env's and returns its socket and the key's file.
func (e *Env) agentOf(t *testing.T) (socket, key string) {
	t.Helper()
	Need(t, Program("ssh-agent", "openssh-client"))
	dir := e.Folder(t)
	key, socket = filepath.Join(dir, "key"), filepath.Join(dir, "agent")
	e.Tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of-the-test", "-f", key).Run(t).OK(t)
	agent := e.Tool("ssh-agent", "-D", "-a", socket).Process(t.Context())
	ready, err := agent.StdoutPipe()
	if err == nil {
		err = agent.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	if !bufio.NewScanner(ready).Scan() {
		t.Fatal("ssh-agent did not start")
	}
	e.Tool("ssh-add", "-q", key).Set("SSH_AUTH_SOCK=" + socket).Run(t).OK(t)
	return socket, key
}

func TestBuildSSH(t *testing.T) {
	Need(t, RealImages)
	Each(t, func(t *testing.T, e *Env) {
		socket, key := e.agentOf(t)
		ask := "printf '\\0\\0\\0\\1\\013' | timeout 5 nc local:$SSH_AUTH_SOCK | strings"
		dir := e.context(t, map[string]string{"Dockerfile": `FROM alpine:3.20
RUN --mount=type=ssh ls -ln $SSH_AUTH_SOCK; ` + ask + `
RUN --mount=type=ssh,id=other,target=/sock,mode=0666,uid=9 ls -ln /sock; ` + ask + `
RUN --mount=type=ssh,id=none echo "none: $SSH_AUTH_SOCK."
RUN ls /sock /run/buildkit; echo
`})
		r := e.Cmd("build", "--no-cache", "--progress=plain", "--ssh", "default", "--ssh", "other="+key, dir).Set("SSH_AUTH_SOCK="+socket).Run(t).Exits(t, 0)
		r.Says(t, "srw-------", "/run/buildkit/ssh_agent.0", "srw-rw-rw-    1 9 ", "none: .", "ls: /sock: No such file")
		if n := strings.Count(r.Err, "ssh-ed25519"); n != 2 {
			t.Errorf("%d agents answered, want 2: %s", n, r)
		}
		need := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=ssh,required true\n"})
		e.Run(t, "build", need).Exits(t, 1).Says(t, "--ssh default")
		e.Run(t, "build", "--ssh", "default", dir).Exits(t, 125).Says(t, "SSH_AUTH_SOCK")
		e.Run(t, "build", "--ssh", "x="+filepath.Join(dir, "Dockerfile"), dir).Exits(t, 1).Says(t, "private key")
	})
}

func TestBuildNetworkAndSecurity(t *testing.T) {
	e := AsUser(t)
	file := func(line string) string {
		return e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\n" + line + "\n"})
	}
	links := "ls /sys/class/net | tr '\\n' ' '; echo end"
	e.Run(t, "build", "--no-cache", "--progress=plain", file("RUN --network=none "+links)).Exits(t, 0).Says(t, " lo end\n")
	e.Run(t, "build", "--no-cache", "--progress=plain", "--network=none", file("RUN "+links)).Exits(t, 0).Says(t, " lo end\n")
	e.Run(t, "build", "--no-cache", "--progress=plain", file("RUN "+links)).Exits(t, 0).Says(t, "eth0 lo end\n")
	host := file("RUN --network=host readlink /proc/self/ns/net")
	e.Run(t, "build", host).Exits(t, 1).Says(t, "--allow network.host")
	ns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	e.Run(t, "build", "--no-cache", "--progress=plain", "--allow", "network.host", host).Exits(t, 0).Says(t, ns)
	insecure := file("RUN --security=insecure grep CapEff /proc/self/status")
	e.Run(t, "build", insecure).Exits(t, 1).Says(t, "--allow security.insecure")
	e.Run(t, "build", "--no-cache", "--progress=plain", "--allow", "security.insecure", insecure).Exits(t, 0).Says(t, "000001ffffffffff")
	e.Run(t, "build", "--allow", "everything", insecure).Exits(t, 125).Says(t, "network.host, security.insecure, device")
	e.Run(t, "build", file("RUN --network=mine true")).Exits(t, 1)
}
