package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/storage"
)

// openImage opens the root folder of an image with all its layers. at is an
// empty folder, which stays one: the mount is made in a mount namespace that
// ends with its thread, and lives on only as long as what was opened in it. So
// nothing stays mounted, whoever is killed when.
func openImage(img storage.Image, at string) (*os.File, error) {
	if len(img.Layers) == 1 && img.Store.Program == "" {
		return os.Open(img.Layers[0])
	}
	o, err := img.Lower()
	if err != nil {
		return nil, err
	}
	var device *os.File
	if o.Program != "" {
		if device, err = os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
			return nil, err
		}
		defer device.Close()
	}
	type result struct {
		root *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		root, err := mountAlone(o, at, device)
		done <- result{root, err}
	}()
	r := <-done
	if r.err == nil && device != nil {
		r.err = serveImage(o, device, 0)
	}
	if r.err != nil && r.root != nil {
		r.err = errors.Join(r.err, r.root.Close())
	}
	return r.root, r.err
}

// mountAlone mounts an image where only this thread sees it.
func mountAlone(o storage.Overlay, at string, device *os.File) (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, os.NewSyscallError("mount", err)
	}
	err := error(nil)
	if device != nil {
		options := "fd=" + strconv.Itoa(int(device.Fd())) + ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
		err = unix.Mount("fuse-overlayfs", at, "fuse.fuse-overlayfs", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_RDONLY, options)
	} else if err = unix.Chdir(o.Folder); err == nil {
		err = unix.Mount("overlay", at, "overlay", unix.MS_RDONLY, o.Options)
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount the image on", Path: at, Err: err}
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: at, Err: err}
	}
	return os.NewFile(uintptr(fd), at), nil
}

// serveImage starts fuse-overlayfs, outside of the mount namespace, which it
// would keep alive. It ends with the mount, and by the signal death, 0 for none,
// with the calling thread.
func serveImage(o storage.Overlay, device *os.File, death syscall.Signal) error {
	cmd := exec.Command(o.Program, "-f", "-o", o.Options, "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{device}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: death}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start fuse-overlayfs: %w", err)
	}
	go cmd.Wait()
	return nil
}

// behind is the path of an open file.
func behind(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// outer translates an id of a user namespace to the one that it is outside; one
// that is not mapped stays.
func outer(maps []specs.LinuxIDMapping, id int) int {
	for _, m := range maps {
		if id >= int(m.ContainerID) && id-int(m.ContainerID) < int(m.Size) {
			return int(m.HostID) + id - int(m.ContainerID)
		}
	}
	return id
}
