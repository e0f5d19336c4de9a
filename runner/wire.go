package runner

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/twin"
)

// What a command and a monitor say to each other: frames of one byte kind,
// four bytes length, and that many bytes. Descriptors travel with the first
// byte of a frame.
//
//	command                          monitor
//	first or request {op, ...} ─▶
//	                           ◀─    reply {id or error}
//	stdin*, stdinEnd, resize*  ─▶
//	                           ◀─    stdout*, stderr*
//	                           ◀─    exit {code}
type frame byte

const (
	frameRequest  frame = iota + 1 // JSON of Request
	frameReply                     // JSON of Reply
	frameStdin                     // bytes
	frameStdinEnd                  // nothing
	frameStdout                    // bytes
	frameStderr                    // bytes
	frameResize                    // JSON of Size
	frameExit                      // JSON of Exit
	frameFirst                     // a Request (package twin), to a monitor that was started for it
)

// maxFrame bounds what the other side can make us allocate; a request with a
// large environment is the longest frame.
const maxFrame = 16 << 20

// maxFiles is how many descriptors the kernel sends at once (SCM_MAX_FD).
const maxFiles = 253

// wire is one end of a connection. One goroutine may receive, any may send.
type wire struct {
	conn   *net.UnixConn
	reader *bufio.Reader
	rights rightsReader
	mu     sync.Mutex // a frame is sent whole
	cut    error      // why a frame was not: nothing can follow it
}

func newWire(conn *net.UnixConn) *wire {
	w := &wire{conn: conn, rights: rightsReader{conn: conn}}
	w.reader = bufio.NewReaderSize(&w.rights, 4096)
	return w
}

// wireOf takes over a descriptor of a connected socket.
func wireOf(f *os.File) (*wire, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("not a Unix socket")
	}
	return newWire(socket), nil
}

func (w *wire) Close() error { return w.conn.Close() }

func (w *wire) send(kind frame, payload []byte, files ...*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	header := [5]byte{byte(kind)}
	binary.BigEndian.PutUint32(header[1:], uint32(len(payload)))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut == nil {
		_, _, w.cut = w.conn.WriteMsgUnix(header[:], rights, nil)
	}
	if w.cut == nil {
		_, w.cut = w.conn.Write(payload)
	}
	return w.cut
}

func (w *wire) sendJSON(kind frame, v any, files ...*os.File) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(kind, payload, files...)
}

// receive returns the next frame. The payload is the caller's.
func (w *wire) receive() (frame, []byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(w.reader, header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", length)
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(w.reader, payload)
	return frame(header[0]), payload, err
}

// receiveJSON returns the next frame, which must be of the kind.
func (w *wire) receiveJSON(kind frame, v any) error {
	got, payload, err := w.receive()
	if err != nil {
		return err
	}
	if got != kind {
		return fmt.Errorf("frame of kind %d where %d was expected", got, kind)
	}
	return json.Unmarshal(payload, v)
}

// sendFirst sends the request for which the monitor was started, which is a
// process of the same program.
func (w *wire) sendFirst(r Request, files ...*os.File) error {
	payload, err := twin.Marshal(r)
	if err != nil {
		return err
	}
	return w.send(frameFirst, payload, files...)
}

func (w *wire) receiveFirst() (r Request, err error) {
	got, payload, err := w.receive()
	if err == nil && got != frameFirst {
		err = fmt.Errorf("frame of kind %d where %d was expected", got, frameFirst)
	}
	if err != nil {
		return r, err
	}
	return r, twin.Unmarshal(payload, &r)
}

// gone is closed when the other side has left, which says nothing more.
func (w *wire) gone() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := w.receive(); err != nil {
				return
			}
		}
	}()
	return gone
}

// files returns the descriptors that came since it was last called.
func (w *wire) files() []*os.File {
	files := w.rights.files
	w.rights.files = nil
	return files
}

// rightsReader reads from a socket and collects descriptors on the way.
type rightsReader struct {
	conn  *net.UnixConn
	files []*os.File
}

func (r *rightsReader) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, _, _, err := r.conn.ReadMsgUnix(p, oob)
	if oobn > 0 {
		messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
		for _, m := range messages {
			fds, _ := unix.ParseUnixRights(&m)
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				r.files = append(r.files, os.NewFile(uintptr(fd), "received"))
			}
		}
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err // -1 with an error, which bufio takes for a bug
}
