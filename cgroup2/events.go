package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// waitEvent waits until key in cgroup.events of dir has the value. The kernel reports a change
// as an exceptional condition on the open file, which every read re-arms.
func waitEvent(ctx context.Context, dir, key, want string) error {
	events, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if gone(err) {
		return fmt.Errorf("%w: %s", ErrGone, dir)
	}
	if err != nil {
		return err
	}
	defer events.Close()
	wake, stop, err := wakeOnDone(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for {
		got, err := eventValue(events, key)
		if err != nil || got == want {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for %s to be %s %s: %w", dir, key, want, err)
		}
		if err := waitChange(int(events.Fd()), wake); err != nil {
			return err
		}
	}
}

// eventValue reads the file from its start again.
func eventValue(f *os.File, key string) (string, error) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil && gone(err) {
		return "", fmt.Errorf("%w: %s", ErrGone, filepath.Dir(f.Name()))
	}
	return strconv.FormatUint(parseKeyed(string(data))[key], 10), err
}

func waitChange(events, wake int) error {
	fds := []unix.PollFd{{Fd: int32(events), Events: unix.POLLPRI}, {Fd: int32(wake), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, -1)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// wakeOnDone returns a descriptor that becomes readable when ctx ends. stop closes it.
func wakeOnDone(ctx context.Context) (fd int, stop func(), err error) {
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return -1, nil, fmt.Errorf("eventfd: %w", err)
	}
	woken := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(woken)
		unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	return fd, func() {
		if !cancel() {
			<-woken // the write must not hit a descriptor that was closed and given out again
		}
		unix.Close(fd)
	}, nil
}
