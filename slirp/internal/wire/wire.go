// Package wire carries JSON messages with file descriptors over a Unix stream
// socket: four bytes of length, little endian, then the text. Descriptors ride
// on the length bytes.
//
// It trusts neither length nor text, but it does trust the peer's user: the
// socket lies in a folder only the user can enter.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const (
	maxMessage = 8 << 20 // 65535 published ports take about 4 MB
	maxFiles   = 4
)

// Send writes v as one message together with the descriptors of files.
func Send(c *net.UnixConn, v any, files ...*os.File) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("message of %d bytes is longer than %d", len(text), maxMessage)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	return write(c, append(head, text...), files)
}

func write(c *net.UnixConn, b []byte, files []*os.File) error {
	if len(files) == 0 {
		_, err := c.Write(b)
		return err
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	n, _, err := c.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	if err != nil || n == len(b) {
		return err
	}
	_, err = c.Write(b[n:])
	return err
}

// Receive reads one message into v and returns the descriptors that came with
// it, which are the caller's to close even beside an error. io.EOF means that
// the peer closed the connection between two messages.
func Receive(c *net.UnixConn, v any) ([]*os.File, error) {
	head := make([]byte, 4)
	files, err := readHead(c, head)
	if err != nil {
		return files, err
	}
	size := binary.LittleEndian.Uint32(head)
	if size > maxMessage {
		return files, fmt.Errorf("message of %d bytes is longer than %d", size, maxMessage)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(c, text); err != nil {
		return files, unexpected(err)
	}
	return files, json.Unmarshal(text, v)
}

func readHead(c *net.UnixConn, head []byte) ([]*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, flags, _, err := c.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, err
	}
	files, err := parseRights(oob[:oobn])
	if err != nil {
		return files, err
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return files, errors.New("more descriptors than a message may carry")
	}
	if n == 0 {
		return files, io.EOF
	}
	_, err = io.ReadFull(c, head[n:])
	return files, unexpected(err)
}

func parseRights(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
