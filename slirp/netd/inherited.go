package netd

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// closeStrays closes descriptors that came through exec by mistake: whoever
// reads the other end of a pipe would wait for this process to end. All that
// Go opens is closed on exec, so what is open without that mark was inherited.
// keep is marked, so that the uplink does not get it.
func closeStrays(keep *os.File) {
	if keep != nil {
		unix.CloseOnExec(int(keep.Fd()))
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}
