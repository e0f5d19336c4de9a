package logs

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A reader that follows has a shared lock on the newest file that it has opened
// (F_OFD_SETLK, fcntl(2)), which can be asked about without being taken. The
// writer never waits for it.

// AwaitReaders is called before a log whose Writer was closed is removed. It
// returns true once every reader that follows has opened the newest file, so
// that it can read on from there, which takes a moment at most unless the
// reader is stopped; and false after limit.
//
// One that lags by more files than are kept is not seen. The folder must go as
// a whole, renamed: while file after file is removed, those that a reader has
// read already look like those that come next.
func AwaitReaders(path string, limit time.Duration) bool {
	numbers, err := numbersOf(path)
	if err != nil {
		return true
	}
	deadline := time.Now().Add(limit)
	// From the oldest on, as readers go.
	for _, n := range slices.Backward(numbers) {
		for n > 0 && (followed(numbered(path, n)) || followed(packedName(path, n))) {
			if time.Now().After(deadline) {
				return false
			}
			time.Sleep(time.Millisecond)
		}
	}
	return true
}

// followed reports whether a reader has not opened a newer file than that.
func followed(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// setFollowed takes or gives back the reader's lock. Where the file system has
// no locks, AwaitReaders sees nobody.
func setFollowed(f *part, on bool) {
	lock := unix.Flock_t{Type: unix.F_UNLCK}
	if on {
		lock.Type = unix.F_RDLCK
	}
	_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
}
