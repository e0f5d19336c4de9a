package runner

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// serveFUSE starts fuse-overlayfs on a descriptor of /dev/fuse and returns that
// descriptor, for the container to mount. So the mount exists in the container's
// mount namespace only and goes with it, and the server ends with the mount.
func serveFUSE(program, options string) (*os.File, error) {
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("fuse-overlayfs needs /dev/fuse: %w", err)
	}
	cmd := exec.Command(program, "-f", "-o", options, "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{fuse}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fuse.Close()
		return nil, fmt.Errorf("start fuse-overlayfs: %w", err)
	}
	go cmd.Wait()
	return fuse, nil
}
