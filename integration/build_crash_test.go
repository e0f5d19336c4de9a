package integration

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crashedFile has something of everything that a build does: stages beside each
// other, copies, archives, cache mounts, bind mounts, secrets, processes that
// stay behind.
const crashedFile = `FROM alpine:3.20 AS one
RUN --mount=type=cache,id=crash,target=/c,sharing=locked echo x >>/c/n; (sleep 1000 &); echo one >/one
FROM alpine:3.20 AS two
ADD big.tar /big
RUN --mount=target=/ctx --mount=type=secret,id=s cat /ctx/f /run/secrets/s | md5sum >/two
FROM alpine:3.20
COPY --from=one /one /
COPY --from=two /two /big /big/
COPY . /all
RUN head -c 3000000 /dev/zero >/three
`

// Every process of a build is killed, or interrupted, at random moments; what is
// left is usable and holds nothing.
func TestBuildCrash(t *testing.T) {
	seed := seedOfCrash()
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			t.Logf("to do the same again: -crash.seed=%d", seed)
			e := Fresh(t, who.account)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			var big strings.Builder
			big.WriteString(strings.Repeat("0123456789", 300_000))
			dir := e.context(t, map[string]string{"Dockerfile": crashedFile, "f": "f",
				"big.tar": string(tarOf(t, textFile("big", big.String()), textFile("small", "s"))), "sub/g": "g"})
			secret := e.context(t, map[string]string{"s": "secret of the crash"})
			args := []string{"build", "-q", "--secret", "id=s,src=" + filepath.Join(secret, "s"), "-t", "crashed", dir}
			c := &crash{Env: e, random: rand.New(rand.NewPCG(seed, 0))}
			for range max(2, *crashRounds/5) {
				c.buildRound(t, args)
			}
			if c.killed == 0 {
				t.Error("no process was killed: the moments are wrong")
			}
			id := e.OK(t, args...)
			e.Want(t, "one", "run", "--rm", "crashed", "cat", "/one")
			e.Want(t, "3000000 3000000", "run", "--rm", "crashed", "sh", "-c", "echo $(wc -c </three) $(wc -c </big/big)")
			if again := e.OK(t, args...); again != id {
				t.Errorf("the same build gave %s and %s", id, again)
			}
			e.OK(t, "builder", "prune", "-f")
			for _, pattern := range []string{"tmp/build-*", "build/steps/*", "build/mounts/*", "build/keys/*"} {
				if left, err := filepath.Glob(filepath.Join(e.Data(), pattern)); err != nil || len(left) > 0 {
					t.Errorf("left behind: %q, %v", left, err)
				}
			}
			if found := everywhere(t, e.Data(), "secret of the crash"); len(found) > 0 {
				t.Errorf("the secret is in %q", found)
			}
			e.OK(t, "rmi", "-f", "crashed")
		})
	}
}

// buildRound builds, strikes, and demands that nothing of the build goes on.
func (c *crash) buildRound(t *testing.T, args []string) {
	if c.random.IntN(4) == 0 {
		args = append([]string{"build", "--no-cache"}, args[1:]...)
	}
	doing := c.Cmd(args...).Start(t)
	if c.random.IntN(3) == 0 {
		<-time.After(time.Duration(c.random.IntN(400)) * time.Millisecond)
		for _, p := range c.Processes() {
			if p.Ours && unix.Kill(p.PID, unix.SIGINT) == nil {
				c.killed++
			}
		}
	} else {
		<-time.After(time.Duration(c.random.IntN(400)) * time.Millisecond)
		c.strike(t)
	}
	doing.Wait(t)
	for _, p := range c.Processes() {
		if strings.Contains(strings.Join(p.Args, " "), "sleep 1000") {
			WaitGone(t, p.PID)
		}
	}
}

func TestBuildOnFullDisk(t *testing.T) {
	Need(t, RealImages)
	e := onSmallDisk(t, "200m")
	e.Load(t, Archive("alpine-3.20.3.tar"))
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo kept >/kept\nRUN cat /dev/zero >/large\n"})
	// What the program says of it depends on when the kernel notices: no space, or an I/O error.
	e.Run(t, "build", dir).Exits(t, 1).Says(t, "Dockerfile:3")
	small := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN echo kept >/kept\n"})
	e.Run(t, "build", "-t", "kept", small).Exits(t, 0).Says(t, "CACHED")
	large := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nCOPY zeros /\n", "zeros": strings.Repeat("\x00", 20<<20)})
	filled := leave(t, e, 10<<20)
	e.Run(t, "build", large).Exits(t, 1).Says(t, "no space left", "rl builder prune")
	e.Run(t, "builder", "prune", "-f").Exits(t, 0)
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	e.Run(t, "build", large).Exits(t, 0)
	if left, err := filepath.Glob(filepath.Join(e.Data(), "tmp", "build-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestBuildLongLines(t *testing.T) {
	e := AsUser(t)
	long := strings.Repeat("x", 10<<20)
	for _, c := range []struct {
		file string
		code int
		says string
	}{
		{"FROM alpine:3.20\n# " + long + "\nRUN echo short\n", 1, "Dockerfile:2: the line has 10485763 bytes"},
		{"FROM alpine:3.20\nCOPY <<EOF /long\n" + long + "\nEOF\nRUN wc -c </long\n", 1, "Dockerfile:3: the line has"},
		{"FROM alpine:3.20\nLABEL a=" + long + "\n", 1, "Dockerfile:2: the line has"},
		{"FROM alpine:3.20\nCOPY <<EOF /long\n" + strings.Repeat(long[:60000]+"\n", 170) + "EOF\nRUN wc -c </long\n", 0, " 10200170\n"},
		{"FROM alpine:3.20\nRUN head -c 10485760 /dev/zero | tr '\\\\0' y; echo; echo done\n", 0, " done\n"},
	} {
		dir := e.context(t, map[string]string{"Dockerfile": c.file})
		r := e.Run(t, "build", "--no-cache", "--progress=plain", dir)
		if r.Code != c.code || !strings.Contains(r.Err, c.says) || len(r.Err) > 24<<20 {
			t.Errorf("%.60q: ended with %d and %d bytes: %.300s ... %.300s", c.file, r.Code, len(r.Err), r.Err, r.Err[max(0, len(r.Err)-300):])
		}
	}
}

// TestBuildAsRootInRootsFolder has a context that only real root can look into.
func TestBuildAsRootInRootsFolder(t *testing.T) {
	e := AsRoot(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nCOPY f sub /c/\nRUN --mount=target=/m stat -c '%u:%g %a' /m/f /c/f; cat /m/f /c/g\n", "f": "f ", "sub/g": "g "})
	for _, name := range []string{"f", "Dockerfile"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	id := filepath.Join(dir, "id")
	for _, context := range []string{dir, "."} {
		e.Cmd("build", "--no-cache", "--progress=plain", "--iidfile", id, context).In(dir).Set("PWD="+dir).Run(t).Exits(t, 0).Says(t, "0:0 600\n", " f g ")
		text, err := os.ReadFile(id)
		if err != nil || len(text) != 71 {
			t.Errorf("--iidfile has %q, %v", text, err)
		}
	}
	e.Cmd("build", "--no-cache", "--progress=plain", "-f", "Dockerfile", ".").In(dir).Run(t).Exits(t, 0)
	for _, out := range []string{"out", "type=tar,dest=out.tar"} {
		e.Cmd("build", "--no-cache", "-o", out, ".").In(dir).Run(t).Exits(t, 0)
	}
	for _, name := range []string{"f", "out/c/f", "out.tar"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestBuildOtherPlatform(t *testing.T) {
	e := AsUser(t)
	foreign := e.context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	e.built(t, foreign, "-t", "foreign:1", "--platform", "linux/s390x")
	e.Want(t, "s390x", "image", "inspect", "-f", "{{.Architecture}}", "foreign:1")
	on := e.context(t, map[string]string{"Dockerfile": "FROM foreign:1\nRUN true\n"})
	e.Run(t, "build", on).Exits(t, 1).Says(t, "Dockerfile:1", "s390x")
	copies := e.context(t, map[string]string{"Dockerfile": "FROM --platform=linux/s390x foreign:1\nCOPY Dockerfile /second\nLABEL a=b\n"})
	e.built(t, copies, "-t", "foreign:2")
	e.Want(t, "s390x b", "image", "inspect", "-f", "{{.Architecture}} {{.Config.Labels.a}}", "foreign:2")
}

// TestBuildOnOtherStores builds on images whose layers are not as the kernel's
// overlayfs has them.
func TestBuildOnOtherStores(t *testing.T) {
	Need(t, RealImages, Program("fuse-overlayfs", "fuse-overlayfs"))
	for name, config := range map[string]string{
		"vfs":  "[storage]\ndriver = \"vfs\"\n",
		"fuse": "[storage]\ndriver = \"overlay\"\n[storage.options.overlay]\nmount_program = \"/usr/bin/fuse-overlayfs\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			e := Fresh(t, Ordinary)
			e.config(t, "storage.conf", config)
			e.Load(t, Archive("alpine-3.20.3.tar"))
			first := e.context(t, map[string]string{"f": "f\n", "Dockerfile": "FROM alpine:3.20\nRUN rm /etc/motd && rm -r /media && chown 5:6 /opt\nCOPY f /\n"})
			e.built(t, first, "-t", "first")
			e.OK(t, "builder", "prune", "-f")
			second := e.context(t, map[string]string{"Dockerfile": "FROM first AS a\nRUN rm /f && echo new >/g\nFROM first\nRUN ls -d /etc/motd /media /f /opt; stat -c %u:%g /opt\nCOPY --from=a / /a/\nRUN ls -d /a/f /a/g; echo\n"})
			e.Run(t, "build", "--progress=plain", "-t", "second", second).Exits(t, 0).
				Says(t, "/etc/motd: No such", "/media: No such", " /f\n", " /opt\n", " 5:6\n", "/a/f: No such", " /a/g\n")
			e.Want(t, "f", "run", "--rm", "second", "cat", "/f")
		})
	}
}
