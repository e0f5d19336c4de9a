package integration

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// copied is a container, running or not, to copy from and to.
func (e *Env) copied(t *testing.T, running bool) (name string) {
	t.Helper()
	name = e.Name(t)
	script := "mkdir -p /src/sub; echo one >/src/a; echo two >/src/sub/b; ln -s /etc /src/etc; chmod 640 /src/a; chown 5:6 /src/a; echo kept >/vol/v; exec sleep 1000"
	e.OK(t, "run", "-d", "--name", name, "-v", "/vol", Image, "sh", "-c", script)
	e.OK(t, "exec", name, "sh", "-c", "until test -s /vol/v; do sleep 0.01; done")
	if !running {
		e.OK(t, "stop", "-t", "0", name)
	}
	return name
}

func TestCpOut(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{true, false} {
			c, dir := e.copied(t, running), e.Folder(t)
			cp := func(args ...string) Result { return e.Cmd(append([]string{"cp"}, args...)...).In(dir).Run(t) }
			cp("-q", c+":/src", ".").OK(t)
			cp("-q", c+":/src/a", "renamed").OK(t)
			cp("-q", c+":/src/.", "new").OK(t)
			cp("-q", c+":/vol/v", "v").OK(t)
			cp("-q", "-L", c+":/src/etc/passwd", "passwd").OK(t)
			cp(c+":/src/etc", "link").Says(t, "Successfully copied", "link").OK(t)
			for file, want := range map[string]string{"src/a": "one\n", "src/sub/b": "two\n", "renamed": "one\n", "new/sub/b": "two\n", "v": "kept\n"} {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
					t.Errorf("running %v: %s: %q, %v", running, file, got, err)
				}
			}
			if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "/etc" {
				t.Errorf("the link leads to %q, %v", target, err)
			}
			info, err := os.Stat(filepath.Join(dir, "src/a"))
			if err != nil || info.Mode().Perm() != 0o640 || int(info.Sys().(*syscall.Stat_t).Uid) != e.Account.UID {
				t.Errorf("src/a: %v, %v", info, err)
			}
		}
	})
}

// A whole container can be copied: what the kernel shows in it is left out, its
// volumes are not, and the folder that it goes into is the only one that changes.
func TestCpOfTheWholeContainer(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{true, false} {
			c, dir := e.copied(t, running), e.Folder(t)
			e.OK(t, "cp", c+":/", dir)
			e.OK(t, "cp", c+":/", filepath.Join(dir, "new"))
			for _, top := range []string{dir, filepath.Join(dir, "new")} {
				if got, err := os.ReadFile(filepath.Join(top, "src/a")); err != nil || string(got) != "one\n" {
					t.Errorf("running %v: %s/src/a: %q, %v", running, top, got, err)
				}
				if got, err := os.ReadFile(filepath.Join(top, "vol/v")); err != nil || string(got) != "kept\n" {
					t.Errorf("running %v: %s/vol/v: %q, %v", running, top, got, err)
				}
				for _, name := range []string{"proc", "sys", "dev"} {
					if got, err := os.ReadDir(filepath.Join(top, name)); len(got) > 0 {
						t.Errorf("running %v: %s/%s holds %v, %v", running, top, name, got, err)
					}
				}
			}
			r := tar.NewReader(strings.NewReader(e.OK(t, "cp", c+":/", "-")))
			if h, err := r.Next(); err != nil || h.Name != "./" {
				t.Errorf("running %v: the archive begins with %v, %v", running, h, err)
			}
		}
	})
}

func TestCpIn(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{true, false} {
			c, dir := e.copied(t, running), e.Folder(t)
			script := "mkdir -p d/sub; echo x >d/f; echo y >d/sub/g; chmod 600 d/f; ln -s f d/l; echo z >file"
			e.Tool("sh", "-c", script).In(dir).Run(t).OK(t)
			cp := func(args ...string) { t.Helper(); e.Cmd(append([]string{"cp", "-q"}, args...)...).In(dir).Run(t).OK(t) }
			cp("d", c+":/new")
			cp("d", c+":/src")
			cp("d/.", c+":/src/sub")
			cp("file", c+":/vol/")
			cp("file", c+":/src/etc/file") // a link of the container, followed inside it
			if !running {
				e.OK(t, "start", c)
			}
			got := e.OK(t, "exec", c, "sh", "-c", "cd /; cat new/f new/sub/g src/d/f src/sub/f src/sub/b vol/file etc/file; readlink new/l; stat -c %u:%g:%a new/f")
			if want := "x\ny\nx\nx\ntwo\nz\nz\nf\n0:0:600"; got != want {
				t.Errorf("running %v: got %q, want %q", running, got, want)
			}
			e.OK(t, "rm", "-fv", c)
		}
	})
}

// With -a owners count: those of the archive in the container, and for root.
func TestCpOwners(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c := e.copied(t, true)
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		w.WriteHeader(&tar.Header{Name: "owned", Typeflag: tar.TypeReg, Mode: 0o644, Uid: 7, Gid: 8})
		w.Close()
		for flag, want := range map[string]string{"-a": "7:8", "-q": "0:0"} {
			e.Cmd("cp", flag, "-", c+":/").Input(archive.String()).Run(t).OK(t)
			e.Want(t, want, "exec", c, "stat", "-c", "%u:%g", "/owned")
		}
		r := e.Cmd("cp", "-a", c+":/src/a", "a").In(e.Folder(t)).Run(t)
		r.OK(t)
		if !e.Account.Root() {
			r.Says(t, "owners are not kept")
		}
	})
}

func TestCpStreams(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c := e.copied(t, false)
		list := e.Tool("sh", "-c", e.Prog+" cp "+c+":/src - | tar -t | sort | tr '\n' ' '").Run(t).OK(t)
		if want := "src/ src/a src/etc src/sub/ src/sub/b"; strings.TrimSpace(list) != want {
			t.Errorf("got %q, want %q", list, want)
		}
		other := e.copied(t, false)
		e.Tool("sh", "-c", e.Prog+" cp "+c+":/src - | "+e.Prog+" cp - "+other+":/vol").Run(t).OK(t)
		e.OK(t, "start", other)
		e.Want(t, "two", "exec", other, "cat", "/vol/src/sub/b")
	})
}

func TestCpBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c := e.copied(t, true)
		dir := e.Folder(t)
		e.Tool("sh", "-c", "echo x >file; mkdir folder").In(dir).Run(t).OK(t)
		for _, tt := range []struct {
			name  string
			code  int
			args  []string
			words []string
		}{
			{"no container", 125, []string{"file", "other"}, []string{"CONTAINER:PATH"}},
			{"two containers", 125, []string{c + ":/a", c + ":/b"}, []string{"host first"}},
			{"unknown container", 1, []string{"file", "no-such-one:/"}, []string{"no-such-one"}},
			{"missing file of the host", 1, []string{"missing", c + ":/"}, []string{"missing", "no such file"}},
			{"missing file of the container", 1, []string{c + ":/missing", "."}, []string{"/missing", "no such file"}},
			{"into a folder that is missing", 1, []string{"file", c + ":/no/such/"}, []string{"no/such"}},
			{"folder over a file", 1, []string{"folder", c + ":/etc/passwd"}, []string{"folder cannot replace"}},
			{"out, folder over a file", 1, []string{c + ":/src", "file"}, []string{"folder cannot replace"}},
			{"file as a folder", 1, []string{"file/", c + ":/"}, []string{"not a folder"}},
			{"no archive", 1, []string{"-", c + ":/"}, []string{"archive"}},
			{"archive to a file", 1, []string{"-", c + ":/etc/passwd"}, []string{"archive"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				e.Cmd(append([]string{"cp"}, tt.args...)...).In(dir).Input("this is no tar "+strings.Repeat("x", 1024)).Run(t).Exits(t, tt.code).Says(t, tt.words...)
			})
		}
		e.OK(t, "run", "-d", "--name", c+"ro", "--read-only", Image, "sleep", "1000")
		e.Cmd("cp", "file", c+"ro:/x").In(dir).Run(t).Exits(t, 1).Says(t, "read-only")
	})
}

// A container whose processes swap a folder for a link to the outside reaches
// nothing there.
func TestCpRace(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, dir := e.Name(t), e.Folder(t)
		swap := "mkdir /d; echo inside >/d/secret; ln -s ../../../../../.." + dir + " /l; i=0; while :; do mv /d /x; mv /l /d; mv /d /l; mv /x /d; done"
		e.OK(t, "run", "-d", "--name", name, Image, "sh", "-c", swap)
		e.Tool("sh", "-c", "echo outside >secret").In(dir).Run(t).OK(t)
		out := e.Folder(t)
		for range 15 {
			e.Cmd("cp", "-q", "secret", name+":/d/secret").In(dir).Run(t)
			e.Cmd("cp", "-q", "-L", name+":/d/secret", "got").In(out).Run(t)
			if text, err := os.ReadFile(filepath.Join(out, "got")); err == nil && string(text) == "" {
				t.Error("an empty file was copied")
			}
		}
		e.OK(t, "rm", "-f", name)
		if text, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(text) != "outside\n" {
			t.Errorf("outside: %q, %v", text, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("outside: %v, %v", entries, err)
		}
	})
}

// A copy that is killed leaves no mount, no lock and no process.
func TestCpKilled(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, inner := range []bool{true, false} {
			c := e.copied(t, false)
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			x := e.Cmd("cp", "-", c+":/").Stdin(reader).Start(t)
			unpacks := e.running(t, "unpack", e.OK(t, "inspect", "-f", "{{.Id}}", c))
			victim := x.PID()
			if inner {
				victim = unpacks
			}
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			WaitGone(t, unpacks)
			x.Wait(t)
			writer.Close()
			reader.Close()
			e.Want(t, c, "start", c)
			e.OK(t, "exec", c, "sh", "-c", "until test -s /vol/v; do sleep 0.01; done")
		}
	})
}

// running waits for a process of rl that has the words in its command line.
func (e *Env) running(t *testing.T, words ...string) (pid int) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; {
		for _, p := range e.Processes() {
			if slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(p.Args, w) }) {
				continue
			}
			return p.PID
		}
	}
	t.Fatalf("no process %v after %v", words, patience)
	return 0
}

// What is in a volume is read from a container that has never run too, whether its
// image has a place for the volume or not.
func TestCpFromNeverRun(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		c, volume := e.Name(t), strings.ToLower(e.Name(t))
		t.Cleanup(func() { e.Cmd("volume", "rm", "-f", volume).Run(t) })
		e.OK(t, "run", "--rm", "-v", volume+":/v", Image, "sh", "-c", "echo kept >/v/f")
		e.OK(t, "create", "--name", c, "-v", volume+":/media", Image, "true")
		dir := e.Folder(t)
		e.OK(t, "cp", "-q", c+":/media/f", filepath.Join(dir, "one"))
		e.OK(t, "cp", "-q", c+":/", filepath.Join(dir, "all"))
		e.Want(t, "", "diff", c)
		e.OK(t, "rm", c)
		e.OK(t, "create", "--name", c, "-v", volume+":/new/place", Image, "true")
		e.OK(t, "cp", "-q", c+":/new/place/f", filepath.Join(dir, "two"))
		for _, name := range []string{"one", "all/media/f", "two"} {
			if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != "kept\n" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
	})
}
