package dirs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// passingPlace is a folder of every kernel's, of which rl's processes need nothing.
const passingPlace = "/proc/fs"

// Passing returns the folders of a command that looks at what there is, where there
// is nothing: in memory, of which nothing is left afterwards. They exist in a process
// inside the user namespace that has called MountPassing.
func (d Dirs) Passing() Dirs {
	d.Chosen = d.Data
	d.Data, d.Runtime = filepath.Join(passingPlace, "data"), filepath.Join(passingPlace, "run")
	return d
}

// MountPassing mounts a file system in memory, once, in the mount namespace of the
// calling process, which must be its own, and makes the folders of Passing there. It is
// called inside the user namespace.
func MountPassing() (Dirs, error) {
	in := Dirs{UID: os.Geteuid()}.Passing()
	if isFolder(in.Data) {
		return in, nil
	}
	if err := unix.Mount("tmpfs", passingPlace, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return in, fmt.Errorf("a place in memory: %w", os.NewSyscallError("mount", err))
	}
	return in, errors.Join(in.make(in.Runtime, inRuntime[:]), in.make(in.Data, inData[:]))
}
