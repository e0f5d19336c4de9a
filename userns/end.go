package userns

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/process"
)

// End ends the process that keeps the person's namespace alive. The namespace
// goes with the last process in it; the next command makes a new one.
func End(places dirs.Dirs) error {
	data, err := os.ReadFile(holderFile(places))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	word, start, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(word)
	if err != nil {
		return nil // cut off by a power cut: nobody is named
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !(process.ID{PID: pid, Start: start}).Alive() {
		return nil // the id is another's by now
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
