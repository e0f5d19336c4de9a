package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/idmap"
)

// etcFiles are the files below /etc that rl writes for each container.
var etcFiles = [...]string{"hosts", "hostname", "resolv.conf"}

// openIn opens a path below root, never following a link out of it.
func openIn(root, path string) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(root, path), Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openRegular is openIn for a file to be read to its end: a pipe in its place
// would never come to one.
func openRegular(root, path string) (*os.File, error) {
	f, err := openIn(root, path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s in the container is not a file: %w", path, os.ErrNotExist)
	}
	return f, nil
}

// openLayered opens a regular file of an image that is not mounted: the first
// of its layers, the topmost first, that has it.
func openLayered(layers []string, path string) (*os.File, error) {
	for _, layer := range layers {
		f, err := openIn(layer, path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENXIO) {
			if whitedOut(layer, path) {
				break
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			f.Close()
			break
		}
		return f, nil
	}
	return nil, fmt.Errorf("%s in the image: %w", path, os.ErrNotExist)
}

// whitedOut reports whether the layer says that the file is gone: overlayfs
// writes a character device with number 0.
func whitedOut(layer, path string) bool {
	info, err := os.Lstat(filepath.Join(layer, path))
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	return info.Sys().(*syscall.Stat_t).Rdev == 0
}

// ownMaps reads the ids that exist in this process's user namespace.
func ownMaps() (uids, gids []specs.LinuxIDMapping, err error) {
	if uids, err = idMap("/proc/self/uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = idMap("/proc/self/gid_map")
	return uids, gids, err
}

// idMap reads /proc/self/uid_map or gid_map.
func idMap(path string) ([]specs.LinuxIDMapping, error) {
	lines, err := idmap.Read(path)
	maps := make([]specs.LinuxIDMapping, len(lines))
	for i, m := range lines {
		maps[i] = specs.LinuxIDMapping{ContainerID: m.Container, HostID: m.Host, Size: m.Size}
	}
	return maps, err
}
