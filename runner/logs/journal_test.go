package logs

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestJournaldGetsEachLine(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "journal")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w, err := Open("", Options{Driver: Journald, Socket: socket, Fields: map[string]string{"CONTAINER_NAME": "web", "A": "two\nlines"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Stream(Stdout).Write([]byte("one\ntw"))
	w.Stream(Stderr).Write([]byte("bad\n"))
	w.Stream(Stdout).Write([]byte("o\nend"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const fields = "A\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines\nCONTAINER_NAME=web\n"
	for _, want := range []string{
		"PRIORITY=6\nMESSAGE=one\n", "PRIORITY=3\nMESSAGE=bad\n", "PRIORITY=6\nMESSAGE=two\n",
		"PRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=end\n",
	} {
		buffer := make([]byte, 1024)
		n, err := conn.Read(buffer)
		if err != nil || string(buffer[:n]) != fields+want {
			t.Errorf("%q, %v, want %q", buffer[:n], err, fields+want)
		}
	}
}

func TestJournaldThatIsNotThere(t *testing.T) {
	_, err := Open("", Options{Driver: Journald, Socket: filepath.Join(t.TempDir(), "none")}, nil)
	if err == nil || !strings.Contains(err.Error(), "journald does not run") {
		t.Error(err)
	}
}
