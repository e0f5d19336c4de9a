package runner

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var errNoFile = errors.New("no descriptor came")

// receiveFile receives one descriptor from a socket.
func receiveFile(socket *os.File) (*os.File, error) {
	fd, err := receiveFD(socket)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "received"), nil
}

// receiveTerminal is receiveFile for the outer side of a terminal, which is
// read by polling.
func receiveTerminal(socket *os.File) (*os.File, error) {
	fd, err := receiveFD(socket)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "terminal"), nil
}

func receiveFD(socket *os.File) (int, error) {
	data, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), data, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return 0, errNoFile
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return 0, errNoFile
	}
	return fds[0], nil
}
