package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// toCopy is a context for tests of COPY.
func (e *Env) toCopy(t testing.TB, dockerfile string) string {
	t.Helper()
	dir := e.context(t, map[string]string{"f": "f", "d/sub/x": "x", "d/sub/y": "y", "d/a.o": "o", "d/run": "#!", "d/e/x": "x", "two words": "2",
		"left/out": "", ".dockerignore": "left/*\n", "Dockerfile": dockerfile})
	for name, mode := range map[string]os.FileMode{"f": 0o640, "d": 0o750, "d/run": 0o700, "d/sub/y": 0o4755} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, mode&0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "f", "dirlink": "d", "d/inner": "sub/x", "bad": "nowhere", "up": "../../../../../../etc"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const listAll = "find -L /o >/dev/null 2>&1; cd /o; find . | sort | while read -r f; do stat -c '%a %u:%g %F %N' \"$f\"; done"

// TestBuildCopies holds what each form of COPY makes.
func TestBuildCopies(t *testing.T) {
	Need(t, RealImages)
	e := AsUser(t)
	for line, want := range map[string]string{
		"COPY f /o/":                    "755 0:0 directory .\n640 0:0 regular file ./f",
		"COPY f /o/new":                 "755 0:0 directory .\n640 0:0 regular file ./new",
		"COPY link /o/":                 "755 0:0 directory .\n640 0:0 regular file ./link",
		"COPY none* /o/":                "",
		"COPY [\"two words\", \"/o/\"]": "755 0:0 directory .\n644 0:0 regular file ./two words",
		"COPY --chmod=4751 f /o/":       "755 0:0 directory .\n4751 0:0 regular file ./f",
		"COPY --chmod=u=rw,go= f /o/":   "755 0:0 directory .\n600 0:0 regular file ./f",
		"COPY --chmod=a+rX d /o":        "755 0:0 directory .\n644 0:0 regular file ./a.o\n755 0:0 directory ./e\n644 0:0 regular file ./e/x\n777 0:0 symbolic link './inner' -> 'sub/x'\n755 0:0 regular file ./run\n755 0:0 directory ./sub\n644 0:0 regular file ./sub/x\n755 0:0 regular file ./sub/y",
		"COPY --chown=7:8 f /o/":        "755 7:8 directory .\n640 7:8 regular file ./f",
		"COPY --chown=nobody f /o/":     "755 65534:65534 directory .\n640 65534:65534 regular file ./f",
		"COPY --chown=:bin f /o/":       "755 0:1 directory .\n640 0:1 regular file ./f",
		"COPY --exclude=*.o --exclude=sub/y --exclude=e --exclude=inner d /o/": "755 0:0 directory .\n700 0:0 regular file ./run\n755 0:0 directory ./sub\n644 0:0 regular file ./sub/x",
		"COPY --exclude=f* f link /o/":                                         "755 0:0 directory .\n640 0:0 regular file ./link",
		"COPY --parents d/sub/x f /o/":                                         "755 0:0 directory .\n750 0:0 directory ./d\n755 0:0 directory ./d/sub\n644 0:0 regular file ./d/sub/x\n640 0:0 regular file ./f",
		"COPY --parents d/./sub/x /o/":                                         "755 0:0 directory .\n755 0:0 directory ./sub\n644 0:0 regular file ./sub/x",
		"COPY --parents ./d/./**/x /o/":                                        "755 0:0 directory .\n755 0:0 directory ./e\n644 0:0 regular file ./e/x\n755 0:0 directory ./sub\n644 0:0 regular file ./sub/x",
		"COPY --link d/sub /o/":                                                "755 0:0 directory .\n644 0:0 regular file ./x\n755 0:0 regular file ./y",
		"COPY d/[a-s]ub/? dirlin[k]/e /o/":                                     "755 0:0 directory .\n644 0:0 regular file ./x\n755 0:0 regular file ./y",
		"COPY d/inner dirlink/run /o/":                                         "755 0:0 directory .\n644 0:0 regular file ./inner\n700 0:0 regular file ./run",
		"WORKDIR /o\nCOPY f d/sub/../a.o ./":                                   "755 0:0 directory .\n644 0:0 regular file ./a.o\n640 0:0 regular file ./f",
		"WORKDIR /o\nCOPY f d/a.o /o":                                          "755 0:0 directory .\n644 0:0 regular file ./a.o\n640 0:0 regular file ./f",
		"COPY d/e f /o":                                                        "755 0:0 directory .\n640 0:0 regular file ./f\n644 0:0 regular file ./x",
		"RUN ln -s /o/real /dangling\nCOPY f /dangling/new/":                   "755 0:0 directory .\n755 0:0 directory ./real\n755 0:0 directory ./real/new\n640 0:0 regular file ./real/new/f",
		"ADD --chmod=600 f /o/":                                                "755 0:0 directory .\n600 0:0 regular file ./f",
	} {
		dir := e.toCopy(t, "FROM alpine:3.20\n"+line+"\nRUN test -e /o || exit 0; "+listAll+" >/list\n")
		r := e.Run(t, "build", "-q", "-t", "copies", dir).Exits(t, 0)
		if strings.Contains(line, "none*") || r.Code != 0 {
			continue
		}
		if got := e.OK(t, "run", "--rm", "copies", "cat", "/list"); got != want {
			t.Errorf("%s\n got %q\nwant %q", line, got, want)
		}
	}
}

func TestBuildCopyErrors(t *testing.T) {
	e := AsUser(t)
	for line, says := range map[string]string{
		"COPY bad /o":                 "not found in the context",
		"COPY up/passwd /o":           "not found in the context",
		"COPY left/out /o":            ".dockerignore leaves it out",
		"COPY --parents none/x /o/":   "not found in the context",
		"COPY --chmod=999 f /o":       "--chmod=999",
		"COPY --chmod=u+q f /o":       "--chmod=u+q",
		"COPY --chown=nosuch f /o":    "nosuch",
		"COPY --exclude=[ f /o":       "--exclude",
		"COPY f none /o/":             "not found in the context",
		"COPY --from=nosuch:1 f /o/":  "nosuch",
		"COPY d[ /o/":                 "d[",
		"ADD --checksum=sha256:0 f /": "checksum",
	} {
		e.Run(t, "build", "-t", "bad", e.toCopy(t, "FROM alpine:3.20\n"+line+"\n")).Exits(t, 1).Says(t, "Dockerfile:2", says)
	}
}

// TestBuildExpands holds all modifiers of variables, the escape character, and
// predefined arguments.
func TestBuildExpands(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "# escape=`\n# check=skip=all\nARG V=1.2.3-x\nFROM alpine:3.20\nARG V\nARG U=${V%-*}\n" +
		"ARG TARGETPLATFORM TARGETOS TARGETARCH BUILDPLATFORM\nENV A=${V#1.} B=${V##*.} C=${V/2/9} D=${V:-no} E=${NONE:-dflt} F=.${NONE:+x}. G=${V:+set} " +
		"H=${V//./_} I=${NONE-unset} J=${V%%.*} K=\\$A L='$A' M=\"a b\" N=a` b O=`$A\n" +
		"RUN echo \"$A $B $C $D $E $F $G $H $I $J $U $TARGETOS/$TARGETARCH=$TARGETPLATFORM\" >/out; `\n    env | grep -c ^[KLMNO]= >>/out; env | grep '^[KLNO]=' | sort >>/out\n" +
		"ADD --chmod=600 <<EOF /doc\n$A is ${U}\nEOF\nRUN --mount=type=tmpfs,target=/${U} cat /doc >>/out; echo $HTTP_PROXY,$http_proxy >>/out\n"})
	r := e.Run(t, "build", "-q", "-t", "expands", "--build-arg", "HTTP_PROXY=http://127.0.0.1:1", "--build-arg", "http_proxy=http://127.0.0.1:2", dir).Exits(t, 0)
	e.Want(t, "2.3-x 3-x 1.9.3-x 1.2.3-x dflt .. set 1_2_3-x unset 1 1.2.3 linux/amd64=linux/amd64\n5\nK=\\\nL=$A\nN=a b\nO=$A\n2.3-x is 1.2.3\nhttp://127.0.0.1:1,http://127.0.0.1:2",
		"run", "--rm", "expands", "cat", "/out")
	if text := e.OK(t, "history", "--no-trunc", "expands"); strings.Contains(text, "127.0.0.1") || r.Code != 0 {
		t.Errorf("a proxy's address is in the history: %s", text)
	}
	bad := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nARG A\nRUN true\nENV B=\"${A:?must be given}\"\n"})
	e.Run(t, "build", bad).Exits(t, 1).Says(t, "Dockerfile:4", "must be given")
	e.Run(t, "build", "--build-arg", "A=1", bad).Exits(t, 0)
}

// TestBuildFlagsOfRun holds the flags that reach the processes of RUN.
func TestBuildFlagsOfRun(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN grep -c 'one' /etc/hosts; grep two /etc/hosts; df -k /dev/shm | tail -1 | awk '{print $2}'; ulimit -n; ulimit -Hn\n"})
	e.Run(t, "build", "--no-cache", "--progress=plain", "--add-host", "one:10.1.2.3", "--add-host", "two=::1", "--shm-size", "3m", "--ulimit", "nofile=50:60", dir).
		Exits(t, 0).Says(t, " 1\n", "::1\ttwo", " 3072\n", " 50\n", " 60\n")
}

// What is wrong with a flag is said before anything is built.
func TestBuildRefusesFlagsAtOnce(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"}) // uses none of them
	for flag, says := range map[string]string{
		"--add-host=x": "x", "--add-host=x:y": "y", "--network=bridge": "bridge", "--allow=all": "network.host", "--memory=much": "much",
		"--memory=1k": "1k", "--memory-swap=-2": "-2", "--cpu-period=1": "1", "--cpu-quota=1": "1", "--cpuset-cpus=a": "a", "--cpuset-mems=a": "a",
		"--shm-size=big": "big", "--ulimit=nofile": "nofile", "--ulimit=files=1": "files", "--ulimit=nofile=2:1": "nofile", "--platform=a b": "a b",
		"--platform=windows/amd64": "Linux", "--build-arg==x": "NAME=VALUE", "--label==x": "KEY=VALUE", "--annotation=index:a=b": "no index",
		"--build-context=a=/no/such/folder": "no such folder", "--iidfile=/no/such/folder/x": "/no/such/folder", "--metadata-file=/": "folder",
		"--progress=tty": "terminal", "--call=sing": "outline", "--output=type=x": "x", "--secret=id=x,src=/no/such/file": "/no/such/file",
		"--tag=A": "A", "--cache-to=type=local": "is not like", "--cache-from=type=local,src=x,mode=max": "mode",
	} {
		r := e.Run(t, "build", "-t", "refused", flag, dir).Exits(t, 125).Says(t, says)
		if strings.Contains(r.Err, "exporting") {
			t.Errorf("%s was refused after the build: %s", flag, r)
		}
	}
	e.Run(t, "image", "inspect", "refused").Exits(t, 1)
}

// A limit that cannot be enforced here is refused before anything is built, even if
// nothing would be executed.
func TestBuildRefusesLimitsAtOnce(t *testing.T) {
	e := AsUser(t)
	refused := e.Run(t, "run", "--rm", "--cpuset-cpus=0", Image, "true")
	if refused.Code == 0 {
		return // the limit can be enforced
	}
	dir := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	e.Run(t, "build", "-t", "limited", "--cpuset-cpus=0", dir).Exits(t, 125).Says(t, "--cpuset-cpus")
	e.Run(t, "image", "inspect", "limited").Exits(t, 1)
	prints(t, e.Run(t, "build", "--cpuset-cpus=0", "--check", dir).Exits(t, 0), "no warnings")
}

// TestBuildHeredocs runs heredocs as lines for the shell, as programs, and as input.
func TestBuildHeredocs(t *testing.T) {
	Need(t, RealImages)
	e := AsUser(t)
	dir := e.context(t, map[string]string{"Dockerfile": `FROM alpine:3.20
ARG WHO=somebody
WORKDIR /w
RUN <<EOF
echo "lines of $WHO" >>/out
cd /
pwd >>/out
EOF
RUN --mount=type=tmpfs,target=/t <<PROGRAM
#!/usr/bin/awk -f
BEGIN { print "program of " ENVIRON["WHO"] >>"/out" }
PROGRAM
RUN <<-TABS
	#!/bin/sh
	echo "$0 $(stat -c %a $0)" >>/out
	TABS
RUN cat <<ONE - <<'TWO' >>/out
input of $WHO
ONE
$WHO is kept
TWO
RUN <<EOF cat >>/out && echo after >>/out
words $(echo expanded)
EOF
SHELL ["/bin/sh", "-ec"]
RUN <<EOF
false
echo never >>/out
EOF
`})
	r := e.Run(t, "build", "--no-cache", "-t", "heredocs", dir).Exits(t, 1).Says(t, "Dockerfile:26", "exit code: 1")
	file := e.context(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err == nil {
		err = os.WriteFile(filepath.Join(file, "Dockerfile"), bytes.Replace(text, []byte("false\n"), nil, 1), 0o644)
	}
	if err != nil {
		t.Fatal(err, r)
	}
	e.built(t, file, "-t", "heredocs")
	e.Want(t, "lines of somebody\n/\nprogram of somebody\n/dev/pipes/TABS 755\n$WHO is kept\nwords expanded\nafter\nnever",
		"run", "--rm", "heredocs", "cat", "/out")
	e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN <<EOF\n#!/no/such/program\nEOF\n"})).Exits(t, 1).Says(t, "interpreter")
	files := filepath.Join(e.Folder(t), "files")
	e.OK(t, "build", "-o", files, file)
	for _, name := range []string{"dev/pipes", "t"} {
		if _, err := os.Lstat(filepath.Join(files, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left in the image: %v", name, err)
		}
	}
}

func TestBuildOnbuild(t *testing.T) {
	e := AsUser(t)
	base := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nONBUILD ARG WHO=nobody\nONBUILD COPY f /f\nONBUILD RUN --mount=target=/c cat /c/f >/seen; echo $WHO >>/seen\nONBUILD USER nobody\n"})
	e.built(t, base, "-t", "onbuild")
	above := e.context(t, map[string]string{"f": "trigger", "Dockerfile": "FROM onbuild\nRUN echo then\n"})
	e.built(t, above, "-t", "above", "--build-arg", "WHO=me")
	e.Want(t, "triggerme", "run", "--rm", "above", "cat", "/seen")
	e.Want(t, "nobody []", "image", "inspect", "-f", "{{.Config.User}} {{.Config.OnBuild}}", "above")
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nONBUILD RUN exit 7\n"}), "-t", "onbuild")
	e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "# a comment\n\nFROM onbuild\n"})).Exits(t, 1).Says(t, "exit code: 7", ">>> FROM onbuild", "Dockerfile:3")
	for _, bad := range []string{"ONBUILD FROM x", "ONBUILD ONBUILD RUN x", "ONBUILD MAINTAINER me"} {
		e.Run(t, "build", e.context(t, map[string]string{"Dockerfile": "FROM scratch\n" + bad + "\n"})).Exits(t, 1).Says(t, "Dockerfile:2")
	}
}

// TestBuildDockerignoreOfTheFile prefers NAME.dockerignore to .dockerignore.
func TestBuildDockerignoreOfTheFile(t *testing.T) {
	e := AsUser(t)
	dir := e.context(t, map[string]string{"a": "", "b": "", ".dockerignore": "a\n", "Other.dockerignore": "b\n!b/c\n# comment\n\n/missing\n",
		"Dockerfile": "FROM alpine:3.20\nCOPY . /c\nRUN cd /c; echo $(ls)\n", "Other": "FROM alpine:3.20\nCOPY . /c\nRUN cd /c; echo $(ls)\n"})
	e.Run(t, "build", "--no-cache", "--progress=plain", dir).Exits(t, 0).Says(t, " Dockerfile Other Other.dockerignore b\n")
	e.Run(t, "build", "--no-cache", "--progress=plain", "-f", filepath.Join(dir, "Other"), dir).Exits(t, 0).Says(t, " Dockerfile Other Other.dockerignore a\n")
	bad := e.context(t, map[string]string{".dockerignore": "[\n", "Dockerfile": "FROM scratch\nCOPY . /\n"})
	e.Run(t, "build", bad).Exits(t, 1).Says(t, ".dockerignore")
}

// TestBuildNoCacheFilter executes one stage again, and with it what needs it.
func TestBuildNoCacheFilter(t *testing.T) {
	e := AsUser(t)
	random := "RUN head -c 8 /dev/urandom | od -x >"
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20 AS one\n" + random + "/n\nFROM alpine:3.20 AS other\n" + random +
		"/o\nFROM alpine:3.20\nCOPY --from=one /n /one\nCOPY --from=other /o /other\n"})
	build := func(args ...string) (id, one, other string) {
		t.Helper()
		id = e.built(t, dir, append(args, "-t", "filtered")...)
		return id, e.OK(t, "run", "--rm", "filtered", "cat", "/one"), e.OK(t, "run", "--rm", "filtered", "cat", "/other")
	}
	id, one, other := build()
	id2, one2, other2 := build("--no-cache-filter", "one")
	if one2 == one || other2 != other || id2 == id {
		t.Errorf("one %q then %q, other %q then %q", one, one2, other, other2)
	}
	if id3, one3, other3 := build(); id3 != id2 || one3 != one2 || other3 != other2 {
		t.Errorf("the next build has %s %q %q, not %s %q %q", id3, one3, other3, id2, one2, other2)
	}
}
