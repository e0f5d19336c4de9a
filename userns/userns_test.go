package userns

import (
	"bytes"
	"debug/elf"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rl-project/rl/internal/dirs"
)

func testDirs(t *testing.T) dirs.Dirs {
	t.Helper()
	d := dirs.Dirs{Runtime: t.TempDir(), Data: t.TempDir(), UID: os.Geteuid()}
	os.Chmod(d.Runtime, 0o777)
	return d
}

func openTest(t *testing.T, d dirs.Dirs) *Namespace {
	t.Helper()
	pids := make(chan int, 1)
	ns, err := Open(d, Options{Adopt: func(pid int) error { pids <- pid; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ns.Close()
		select {
		case pid := <-pids:
			p, _ := os.FindProcess(pid)
			p.Kill()
			p.Wait()
		default:
		}
	})
	return ns
}

// output runs a program in the namespace and returns what it prints.
func output(t *testing.T, ns *Namespace, c Command) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Files = []*os.File{nil, writer, os.Stderr}
	process, err := ns.Start(c)
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.ReadFrom(reader)
	process.Wait()
	return strings.TrimSpace(out.String())
}

func TestProgramIsRootInTheNamespace(t *testing.T) {
	ns := openTest(t, testDirs(t))
	if got := output(t, ns, Command{Path: "/usr/bin/id", Args: []string{"id", "-u"}}); got != "0" {
		t.Errorf("id -u printed %q", got)
	}
	if got := output(t, ns, Command{Path: "/bin/sh", Args: []string{"sh", "-c", "readlink /proc/self/ns/user"}}); got == link(t, "/proc/self/ns/user") {
		t.Error("program runs in the host's user namespace")
	}
}

func TestVariablesOfACommandCount(t *testing.T) {
	t.Setenv("WHO", "caller")
	ns := openTest(t, testDirs(t))
	c := Command{Path: "/usr/bin/env", Args: []string{"env"}, Env: []string{"WHO=command"}}
	if got := output(t, ns, c); strings.Contains(got, "WHO=caller") || !strings.Contains(got, "WHO=command") {
		t.Errorf("environment: %s", got)
	}
}

func TestMountsStayInside(t *testing.T) {
	ns := openTest(t, testDirs(t))
	script := "mount -t tmpfs none /mnt && readlink /proc/self/ns/mnt"
	got := output(t, ns, Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Mounts: true})
	if got == "" || got == link(t, "/proc/self/ns/mnt") {
		t.Errorf("mount namespace is %q", got)
	}
}

func TestSecondOpenJoinsTheFirst(t *testing.T) {
	d := testDirs(t)
	first, second := openTest(t, d), openTest(t, d)
	if inode(t, first) != inode(t, second) {
		t.Error("two namespaces for one person")
	}
}

func TestNamespaceIsFoundWithoutItsHolder(t *testing.T) {
	d := testDirs(t)
	first := openTest(t, d)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	other, err := first.Start(Command{Path: "/bin/cat", Args: []string{"cat"}, Files: []*os.File{reader, nil, nil}})
	reader.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { writer.Close(); other.Wait() }()
	if err := os.Remove(holderFile(d)); err != nil {
		t.Fatal(err)
	}
	if inode(t, openTest(t, d)) != inode(t, first) {
		t.Error("the namespace of a live process was not found")
	}
}

func TestHolderProgramsAreWellFormed(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.NewFile(bytes.NewReader(holderProgram(arch)))
		if err != nil {
			t.Fatal(arch, err)
		}
		if f.Machine != machine || len(f.Progs) != 1 || f.Entry < f.Progs[0].Vaddr || f.Entry >= f.Progs[0].Vaddr+f.Progs[0].Filesz {
			t.Errorf("%s: %+v", arch, f.FileHeader)
		}
	}
}

func link(t *testing.T, path string) string {
	t.Helper()
	s, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func inode(t *testing.T, ns *Namespace) any {
	t.Helper()
	info, err := ns.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Name() + link(t, "/proc/self/fd/"+strconv.Itoa(int(ns.file.Fd())))
}
