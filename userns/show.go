package userns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Show opens a file or folder of real root's as a mount that is nowhere yet, in
// which each id is the same in the namespace as on the disk: the namespace's root
// may there what root may (idmapped mounts, Linux 5.12). Only real root may call it.
func (n *Namespace) Show(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(n.file.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("show %s, or what is mounted in it, to root's containers (needs a file system with idmapped mounts, mount_setattr(2)): %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
