package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair returns two connected sockets.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns[i] = conn.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

func TestMessageWithDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	long := strings.Repeat("x", 1<<20) // more than a socket's buffer
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(Send(a, long, w), Send(a, "second"), w.Close())
	}()
	var text string
	files, err := Receive(b, &text)
	if err != nil || text != long || len(files) != 1 {
		t.Fatalf("got %d bytes, %d files, %v", len(text), len(files), err)
	}
	if _, err := files[0].WriteString("through the pipe"); err != nil {
		t.Error(err)
	}
	files[0].Close()
	if files, err := Receive(b, &text); err != nil || text != "second" || len(files) != 0 {
		t.Errorf("second message: %q, %d files, %v", text, len(files), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "through the pipe" {
		t.Errorf("the pipe carried %q, %v", got, err)
	}
}

func TestEndOfConnection(t *testing.T) {
	tests := []struct {
		name, bytes string
		want        error
	}{
		{"between messages", "", io.EOF},
		{"in the length", "\x05\x00", io.ErrUnexpectedEOF},
		{"in the text", "\x05\x00\x00\x00\"a", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		a, b := pair(t)
		io.WriteString(a, test.bytes)
		a.Close()
		var v any
		if _, err := Receive(b, &v); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestHugeLengthIsRefused(t *testing.T) {
	a, b := pair(t)
	io.WriteString(a, "\xff\xff\xff\xff")
	var v any
	if _, err := Receive(b, &v); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00{}"))
	f.Add([]byte("\x04\x00\x00\x00null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, y := pair(t)
		go func() {
			x.Write(b)
			x.Close()
		}()
		for {
			var v struct{ A, B string }
			files, err := Receive(y, &v)
			for _, file := range files {
				file.Close()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || len(b) > 0 && err != nil {
				return
			}
		}
	})
}
