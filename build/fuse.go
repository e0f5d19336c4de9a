package build

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/storage/store"
)

// throughProgram shows a base image whose layers only the store's mount program
// can read: fuse-overlayfs writes down in other ways than the kernel what a layer
// deletes. The image becomes one folder, on which the steps' overlays stand.
func (b *builder) throughProgram(base *store.Base) error {
	program := base.Store.Program
	if program == "" {
		return nil
	}
	dir, err := os.MkdirTemp(b.scratch.Path, "base-")
	if err != nil {
		return err
	}
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("show the image with %s: %w", program, err)
	}
	defer device.Close()
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", device.Fd())
	if err := unix.Mount("fuse-overlayfs", dir, "fuse", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	b.attached = append(b.attached, dir)
	started := make(chan error)
	go serveBase(program, base.Layers, device, started)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	base.Layers = []string{dir}
	return nil
}

// serveBase runs the program until the mount is gone, or this program is.
func serveBase(program string, layers []string, device *os.File, started chan<- error) {
	runtime.LockOSThread() // the program dies with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.Command(program, "-f", "-o", "lowerdir="+strings.Join(layers, ":"), "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{device}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
	}
}
