//go:build !split && containers_image_openpgp

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"

	"github.com/sirupsen/logrus"
	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// init makes this program the child that unpacks a layer, when containers/storage
// starts it as that: with the layer's folder as its root, before anything else.
func init() {
	if reexec.Init() {
		os.Exit(0)
	}
}

// images opens the image store, in the user namespace.
func (a *app) images() (*store.Store, error) {
	places, err := a.dirs()
	if err != nil {
		return nil, err
	}
	if places.UID == 0 {
		// Root's home is closed to the user namespace's root.
		if err := os.Setenv("HOME", places.Data); err != nil {
			return nil, err
		}
		if err := mountConfig(places); err != nil {
			return nil, err
		}
	}
	// The libraries log what they also return as errors, and what only
	// their authors can use.
	logrus.SetOutput(io.Discard)
	o := store.Options{
		Data: places.Data, Runtime: places.Runtime, Chosen: places.Chosen, UID: places.UID,
		Warn: func(line string) { a.warnf("%s", line) },
	}
	if !a.makes || places.Chosen != "" {
		o.Passing = func() (string, error) {
			in, err := dirs.MountPassing()
			return in.Runtime, err
		}
	}
	return store.Open(o)
}

// mountConfig puts root's configuration, if there is any, where the libraries look
// for it in this process's own mount namespace.
func mountConfig(places dirs.Dirs) error {
	fd, err := strconv.Atoi(os.Getenv(configVar))
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, places.Config(), unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("show root's configuration for registries: %w", os.NewSyscallError("move_mount", err))
	}
	return os.Unsetenv(configVar)
}

// wrongInput makes an error about what was typed one of bad input.
func wrongInput(err error) error {
	if errors.Is(err, storage.ErrInvalidReference) || errors.Is(err, store.ErrChange) {
		return usagef("%w", err)
	}
	return err
}

// checkPlatform refuses a --platform that is not like linux/arm64, before
// anything is begun.
func checkPlatform(platform string) error {
	if platform == "" {
		return nil
	}
	if _, err := store.ParsePlatform(platform); err != nil {
		return usagef("--platform: %w", err)
	}
	return nil
}

// interruptible returns a context that ends when the command is told to end, so
// that it can clean up.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
}

// eachImage does something with every name that was given, goes on after an
// error, and fails if there was one.
func (a *app) eachImage(names []string, do func(name string) error) error {
	failed := false
	for _, name := range names {
		if err := do(name); err != nil {
			a.warnf("%v", err)
			failed = true
		}
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}
