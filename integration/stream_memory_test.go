package integration

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	streamed = 320 << 20 // bytes of files that go through a command
	bound    = 128 << 20 // bytes of memory that none of its processes may reach
)

// writeBig writes a tar of files with zeros, which take no room on the disk.
func writeBig(w io.Writer) error {
	archive := tar.NewWriter(w)
	for i := range 4 {
		h := tar.Header{Name: "zeros" + strconv.Itoa(i), Mode: 0o644, Size: streamed / 4}
		if err := archive.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := io.CopyN(archive, zeros{}, h.Size); err != nil {
			return err
		}
	}
	return archive.Close()
}

// feed runs rl with what write gives it, and looks at its memory when it has taken
// all of that and waits for more.
func feed(t *testing.T, e *Env, write func(io.Writer) error, args ...string) {
	t.Helper()
	x := e.Cmd(args...).Process(t.Context())
	in, err := x.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	x.Stderr = &said
	if err := e.mounts.start(x); err != nil {
		t.Fatal(err)
	}
	if err := write(in); err != nil {
		t.Errorf("rl %v takes no more: %v", args, err)
	}
	lean(t, x.Process.Pid)
	in.Close()
	if err := x.Wait(); err != nil {
		t.Fatalf("rl %v: %v: %s", args, err, &said)
	}
}

// drain runs rl and reads what it writes, and looks at its memory shortly before
// the end, when it waits for more to be read.
func drain(t *testing.T, e *Env, args ...string) {
	t.Helper()
	x := e.Cmd(args...).Process(t.Context())
	out, err := x.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.mounts.start(x); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, out, streamed-16<<20); err != nil {
		t.Errorf("rl %v: %v", args, err)
	}
	lean(t, x.Process.Pid)
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := x.Wait(); err != nil {
		t.Errorf("rl %v: %v", args, err)
	}
}

// However much goes through them, the commands that move files need little memory.
func TestStreamsTakeConstantMemory(t *testing.T) {
	e := Fresh(t, Ordinary)
	importSmall(t, e, "small")
	e.OK(t, "create", "--name", "target", "--network", "none", "small", "/none")
	feed(t, e, writeBig, "import", "-", "big")
	drain(t, e, "save", "big")
	archive := filepath.Join(e.Folder(t), "big.tar")
	e.OK(t, "save", "-o", archive, "big")
	e.OK(t, "rmi", "big")
	feed(t, e, func(w io.Writer) error {
		f, err := os.Open(archive)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}, "load")
	feed(t, e, writeBig, "cp", "-", "target:/")
	drain(t, e, "export", "target")
	drain(t, e, "cp", "target:/", "-")
	e.OK(t, "rm", "target")
}

// lean fails the test if a process of the command has needed too much memory.
func lean(t *testing.T, pid int) {
	t.Helper()
	seen := 0
	for _, p := range family(t, pid) {
		kb, err := strconv.Atoi(strings.TrimSuffix(statusField(t, strconv.Itoa(p), "VmHWM"), " kB"))
		if err != nil {
			t.Error(err)
		}
		seen++
		if kb<<10 > bound {
			t.Errorf("process %d (%s) has needed %d MB", p, statusField(t, strconv.Itoa(p), "Name"), kb>>10)
		}
	}
	if seen < 2 {
		t.Errorf("%d processes: there is one at least that works in the user namespace", seen)
	}
}

// family lists a process and all those below it.
func family(t *testing.T, pid int) []int {
	t.Helper()
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(all[i]) + "/task/*/children")
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			for _, child := range strings.Fields(string(text)) {
				n, err := strconv.Atoi(child)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, n)
			}
		}
	}
	return all
}
