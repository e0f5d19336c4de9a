package logs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery is how often files are looked at where the kernel cannot tell.
const pollEvery = 250 * time.Millisecond

// watch calls changed, from a goroutine, after a file of the folder was written
// to, made or renamed. Several such changes may become one call.
func watch(folder string, changed func()) (stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init1: %w: fs.inotify.max_user_instances may be too low", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "inotify_add_watch", Path: folder, Err: err}
	}
	go func() {
		events := make([]byte, 16<<10)
		for {
			if _, err := f.Read(events); err != nil {
				return
			}
			changed()
		}
	}()
	return func() { f.Close() }, nil
}

// poll is watch for when that fails.
func poll(changed func()) (stop func()) {
	end := make(chan struct{})
	ticks := time.NewTicker(pollEvery)
	go func() {
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				changed()
			case <-end:
				return
			}
		}
	}()
	return func() { close(end) }
}
