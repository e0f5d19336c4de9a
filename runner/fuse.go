package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/runner/boot"
	"github.com/rl-project/rl/storage"
)

// noteKeepID is for containers with keep-id where fuse-overlayfs is missing.
const noteKeepID = "without fuse-overlayfs, files that the image gives to root belong to you in a container with keep-id"

// overlay says how the image is mounted. With keep-id the container has a user
// namespace in which the kernel's overlayfs shows root's files as the caller's;
// fuse-overlayfs shows every owner as it is in the image. Where there is only one
// id, all files are the caller's anyway.
func (c Container) overlay(upper, work string) (o storage.Overlay, note string, err error) {
	img := c.RootFS
	uid, gid := boot.Owner(c.Spec)
	if img.Store.Program == "" && boot.Flags(c.Spec)&unix.CLONE_NEWUSER != 0 && uid == 0 {
		program, err := exec.LookPath("fuse-overlayfs")
		if err == nil && unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) == nil {
			img.Store.Program = program
		} else {
			note = noteKeepID
		}
	}
	if o, err = img.Overlay(upper, work, c.AutoRemove); o.Program != "" && uid != 0 {
		o.Options += fmt.Sprintf(",squash_to_uid=%d,squash_to_gid=%d", uid, gid)
	}
	return o, note, err
}

// serveFUSE starts fuse-overlayfs on the /dev/fuse that the container's first
// process is mounting. So the mount exists in the container's mount namespace
// only and goes with it, and the server ends with the mount.
func (l *launch) serveFUSE() error {
	if l.fuse == nil {
		return nil
	}
	device, err := receiveFile(l.fuse)
	if errors.Is(err, errNoFile) {
		return nil // the child says what went wrong
	}
	if err != nil {
		return fmt.Errorf("receive /dev/fuse: %w", err)
	}
	defer device.Close()
	// It came without waiting; fuse-overlayfs takes EAGAIN for the end.
	if err := unix.SetNonblock(int(device.Fd()), false); err != nil {
		return err
	}
	cmd := exec.Command(l.overlay.Program, "-f", "-o", l.overlay.Options, "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{device}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start fuse-overlayfs: %w", err)
	}
	go cmd.Wait()
	return nil
}
