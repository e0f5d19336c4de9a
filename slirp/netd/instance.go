package netd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/slirp"
)

// lockName is held by the network process as long as it lives, and names it.
const lockName = "netd.lock"

// errServed: another network process is there already.
var errServed = errors.New("another network process serves")

// lockInstance waits until no other network process lives, or answers. There
// is another when the one before is just ending, and when the client that
// started it was killed before it could listen.
func lockInstance(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = lockOrServed(ctx, f, dir)
	if err == nil {
		err = succeed(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lockOrServed(ctx context.Context, f *os.File, dir string) error {
	for tick := time.Tick(5 * time.Millisecond); ; {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return nil
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		case slirp.Answers(dir):
			return errServed
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// succeed waits for the end of the process that the lock file names, and
// writes this one's name. A process that is killed loses its lock before the
// sockets with higher descriptors, and until those are closed their addresses
// are in use.
func succeed(f *os.File) error {
	var before process.ID
	if _, err := fmt.Fscan(f, &before.PID, &before.Start); err == nil {
		awaitEnd(before)
	}
	self, err := process.Identify(os.Getpid())
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d %s\n", self.PID, self.Start), io.SeekStart)
	return err
}

// endTimeout bounds the wait for a process that was killed already.
const endTimeout = 2 * time.Second

// awaitEnd waits until all threads of a process have ended: the first of them
// may be a zombie while others still hold the descriptors.
func awaitEnd(p process.ID) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if now, err := process.Identify(p.PID); err == nil && now != p {
		return
	}
	deadline := time.Now().Add(endTimeout)
	for {
		left := max(0, time.Until(deadline).Milliseconds())
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
		if err != unix.EINTR {
			return
		}
	}
}
