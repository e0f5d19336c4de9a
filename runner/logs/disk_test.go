package logs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const smallDisk = "RL_TEST_SMALL_DISK"

// onSmallDisk runs the calling test again, with a file system of that many
// bytes at the folder that it then returns. In the first process it returns "".
func onSmallDisk(t *testing.T, size int) string {
	t.Helper()
	if folder := os.Getenv(smallDisk); folder != "" {
		if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil && os.Getenv("RL_NO_SKIP") != "1" {
		t.Skipf("missing: user namespaces: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return ""
}

// fill takes all space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	folder := onSmallDisk(t, 256<<10)
	if folder == "" {
		return
	}
	path := filepath.Join(folder, "log")
	var reports []error
	w, err := Open(path, Options{}, func(err error) { reports = append(reports, err) })
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, Stdout, "before\n")
	fill(t, filepath.Join(folder, "other"))
	for i := range 20 { // more than the file's last page takes
		write(t, w, Stdout, numberedLines(i*10, i*10+9))
	}
	if len(reports) != 1 || !errors.Is(reports[0], unix.ENOSPC) {
		t.Errorf("reports are %v", reports)
	}
	kept := strings.Count(read(t, path, ReadOptions{Tail: All}).String(), "\n") - 1
	if kept+int(w.Lost()) != 200 || w.Lost() == 0 {
		t.Errorf("%d lines are in the file, %d were lost, of 200", kept, w.Lost())
	}
	if err := os.Remove(filepath.Join(folder, "other")); err != nil {
		t.Fatal(err)
	}
	write(t, w, Stdout, "after\n")
	w.Close()
	g := read(t, path, ReadOptions{Tail: All})
	if want := "before\n" + numberedLines(0, kept-1) + "after\n"; g.String() != want {
		t.Errorf("got\n%s", g)
	}
	if len(g.notes) > 1 {
		t.Errorf("notes are %q", g.notes)
	}
}

// A rotation on a full disk frees the space of the oldest file.
func TestRotationOnFullDisk(t *testing.T) {
	folder := onSmallDisk(t, 256<<10)
	if folder == "" {
		return
	}
	path := filepath.Join(folder, "log")
	w, err := Open(path, Options{MaxSize: 20_000, MaxFile: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, Stdout, numberedLines(1, 500))
	fill(t, filepath.Join(folder, "other"))
	write(t, w, Stdout, numberedLines(501, 1000))
	text := read(t, path, ReadOptions{Tail: 1}).String()
	if text != numberedLines(1000, 1000) {
		t.Errorf("the last line is %q; %d were lost", text, w.Lost())
	}
}

// What cannot be compressed for want of space stays as it is until it can.
func TestPackingOnFullDisk(t *testing.T) {
	folder := onSmallDisk(t, 512<<10)
	if folder == "" {
		return
	}
	path := filepath.Join(folder, "log")
	w, err := Open(path, Options{MaxSize: 100_000, MaxFile: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, Stdout, numberedLines(1, 2000))
	w.Close()
	fill(t, filepath.Join(folder, "other"))
	packAll(path, 3)
	if left, _ := filepath.Glob(path + "*.gz*"); len(left) > 0 {
		t.Errorf("on the full disk: %q", left)
	}
	if got := read(t, path, ReadOptions{Tail: All}).String(); got != numberedLines(1, 2000) {
		t.Errorf("on the full disk: %d bytes", len(got))
	}
	if err := os.Remove(filepath.Join(folder, "other")); err != nil {
		t.Fatal(err)
	}
	packAll(path, 3)
	if _, err := os.Stat(packedName(path, 1)); err != nil {
		t.Error(err)
	}
	if got := read(t, path, ReadOptions{Tail: All}).String(); got != numberedLines(1, 2000) {
		t.Errorf("with space again: %d bytes", len(got))
	}
}
