package integration

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// However big the files are that a build copies, it needs little memory. It is
// looked at when the image is there and its id cannot be written: nobody reads.
func TestBuildTakesConstantMemory(t *testing.T) {
	e := Fresh(t, Ordinary)
	dir := e.context(t, map[string]string{"big": "", "Dockerfile": "FROM scratch\nCOPY big /\nCOPY . /all/\n"})
	if err := os.Truncate(filepath.Join(dir, "big"), streamed); err != nil { // zeros
		t.Fatal(err)
	}
	reader, writer := fullPipe(t)
	x := e.Cmd("build", "-q", "-t", "big", dir).Process(t.Context())
	x.Stdout = writer
	if err := e.mounts.start(x); err != nil {
		t.Fatal(err)
	}
	e.Until(t, "big", "images", "--format", "{{.Repository}}")
	lean(t, x.Process.Pid)
	reader.Close()
	writer.Close()
	_ = x.Wait() // its id had nowhere to go
}

// fullPipe makes a pipe to which nothing can be written until it is read.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		_, err = unix.Write(ends[1], make([]byte, 4096))
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(ends[1], false); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(ends[0]), "reader"), os.NewFile(uintptr(ends[1]), "writer")
}
