package logs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery is how often files are looked at where the kernel cannot tell.
const pollEvery = 250 * time.Millisecond

// watch sends on changed when a file of the folder was written to, made or
// renamed. Changes that nobody waited for become one.
func watch(folder string) (changed <-chan struct{}, stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("inotify_init1: %w: fs.inotify.max_user_instances may be too low", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		f.Close()
		return nil, nil, &os.PathError{Op: "inotify_add_watch", Path: folder, Err: err}
	}
	c := make(chan struct{}, 1)
	go func() {
		events := make([]byte, 16<<10)
		for {
			if _, err := f.Read(events); err != nil {
				return
			}
			signal(c)
		}
	}()
	return c, func() { f.Close() }, nil
}

// poll is watch for when that fails.
func poll() (changed <-chan struct{}, stop func()) {
	c, end := make(chan struct{}, 1), make(chan struct{})
	ticks := time.NewTicker(pollEvery)
	go func() {
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				signal(c)
			case <-end:
				return
			}
		}
	}()
	return c, func() { close(end) }
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
