package events

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery is how often the record is looked at where the kernel cannot tell.
const pollEvery = 250 * time.Millisecond

// watch waits until a folder may have changed.
type watch struct {
	fd      int
	file    *os.File // nil where inotify is not to be had
	changed chan struct{}
	armed   bool
}

func newWatch() *watch {
	w := &watch{changed: make(chan struct{}, 1)}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		w.fd, w.file = fd, os.NewFile(uintptr(fd), "inotify")
		go w.listen()
	}
	return w
}

// listen turns what the kernel tells into wake-ups. Several may become one.
func (w *watch) listen() {
	told := make([]byte, 16<<10)
	for {
		if _, err := w.file.Read(told); err != nil {
			return
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

// arm watches folder or, as long as it is missing, the nearest one that it will be
// in. Watching twice is the same as once.
func (w *watch) arm(folder string) {
	if w.file == nil {
		return
	}
	for last := ""; ; {
		nearest := folder
		for w.armed = w.add(nearest); !w.armed && nearest != "/"; w.armed = w.add(nearest) {
			nearest = filepath.Dir(nearest)
		}
		if nearest == last || nearest == folder {
			return
		}
		last = nearest // the next one may have been made before this was watched
	}
}

func (w *watch) add(folder string) bool {
	const mask = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF
	_, err := unix.InotifyAddWatch(w.fd, folder, mask)
	return err == nil
}

// wait returns when there may be something new; false when ctx has ended.
func (w *watch) wait(ctx context.Context) bool {
	var tick <-chan time.Time
	if !w.armed {
		timer := time.NewTimer(pollEvery)
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.changed:
	case <-tick:
	}
	return true
}

func (w *watch) close() {
	if w.file != nil {
		w.file.Close()
	}
}
