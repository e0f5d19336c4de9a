package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// Files are those of a container, as its processes see them.
type Files struct {
	*tree.Root
	// ReadOnly is whether the container was made with --read-only.
	ReadOnly bool
	// RootOwner is the container's root, in ids of the user namespace.
	RootOwner tree.Owner
	// System are the folders of a running container that the kernel fills.
	System []string
	lock   *os.File // of a container that is not running
}

// OpenFiles opens the files of a container: a running one's through its first
// process, volumes and memory file systems included; those of another one by
// mounting its image, what it wrote, and its volumes. The caller is in the user
// namespace, in a mount namespace of its own, which ends with it: so nothing
// stays mounted, whatever kills it.
//
// Who only reads gets a mount that cannot be written where there is one. The end of
// one that can makes the kernel write the whole file system to the disk, what other
// programs have just written to it as well: seconds, beside an import of a gigabyte.
func (s Store) OpenFiles(id string, reading bool) (*Files, error) {
	v, err := s.Load(id)
	if err != nil {
		return nil, err
	}
	f := &Files{ReadOnly: v.Spec.Root.Readonly}
	if maps := v.Spec.Linux; maps != nil {
		f.RootOwner = tree.Owner{UID: outer(maps.UIDMappings, 0), GID: outer(maps.GIDMappings, 0)}
	}
	if v.State.live() {
		f.Root, err = tree.Open(fmt.Sprintf("/proc/%d/root", v.State.Init.PID))
		if err == nil && v.State.live() {
			f.System = []string{"/dev", "/proc", "/sys"}
			return f, nil
		}
		if err == nil { // the process may have been another one
			err = fmt.Errorf("%w: it has just ended", ErrNotRunning)
			f.Root.Close()
		}
		return nil, err
	}
	if f.lock, err = s.lock(id); err != nil {
		return nil, fmt.Errorf("%w: try again when it has started or ended", err)
	}
	err = s.mountFiles(v.Container, reading)
	if reading && errors.Is(err, unix.EROFS) { // a place for a volume is yet to be made
		err = unix.Unmount(s.root(), unix.MNT_DETACH)
		if err == nil {
			err = s.mountFiles(v.Container, false)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.lock.Close())
	}
	if f.Root, err = tree.Open(s.root()); err != nil {
		return nil, errors.Join(err, f.lock.Close())
	}
	return f, nil
}

// Close gives the files back.
func (f *Files) Close() error {
	err := f.Root.Close()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// mountFiles mounts what a container that is not running would see.
func (s Store) mountFiles(c Container, reading bool) error {
	if err := s.mountRootOf(c, reading); err != nil {
		return err
	}
	root, err := tree.Open(s.root())
	if err != nil {
		return err
	}
	defer root.Close()
	for _, m := range c.Spec.Mounts {
		if m.Type != "bind" || !filepath.IsAbs(m.Source) || strings.HasPrefix(m.Source, "/dev/") || m.Source == "/sys" || m.Source == "/proc" {
			continue
		}
		if err := mountInto(root, m); err != nil {
			return fmt.Errorf("mount %s of the container: %w", m.Destination, err)
		}
	}
	return nil
}

// mountRootOf mounts the container's root, which with --rootfs may be a folder as
// it is.
func (s Store) mountRootOf(c Container, reading bool) error {
	if c.Options.Rootfs != "" {
		dir, overlay, err := spec.ParseRootfs(c.Options.Rootfs, "/")
		if err != nil {
			return err
		}
		if !overlay {
			return pathError("mount", dir, unix.Mount(dir, s.root(), "", unix.MS_BIND|unix.MS_REC, ""))
		}
	}
	upper := s.file(c.ID, "upper")
	o, _, err := c.overlay(upper, s.file(c.ID, "work"))
	if err == nil && reading && o.Program == "" {
		o, err = c.RootFS.Lower(upper)
	}
	if err != nil {
		return err
	}
	return mountOverlay(o, s.root(), 0)
}

// mountOverlay mounts o on a folder, for the whole process.
func mountOverlay(o storage.Overlay, at string, flags uintptr) error {
	if o.Program == "" {
		// The options name layers relative to it.
		if err := os.Chdir(o.Folder); err != nil {
			return err
		}
		defer os.Chdir("/") // the old one may be out of reach
		return pathError("mount the image on", at, unix.Mount("overlay", at, "overlay", flags, o.Options))
	}
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	options := "fd=" + strconv.Itoa(int(device.Fd())) + ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
	if err := unix.Mount("fuse-overlayfs", at, "fuse.fuse-overlayfs", flags|unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return pathError("mount the image on", at, err)
	}
	// In this mount namespace it would keep the mount, and so itself, for ever.
	runtime.LockOSThread()
	return serveImage(o, device, unix.SIGKILL)
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// mountInto binds a volume or a folder of the host into a container's files.
// What the container would have made as a place for it is made.
func mountInto(root *tree.Root, m specs.Mount) error {
	place, err := root.OpenPath(m.Destination)
	if errors.Is(err, unix.ENOENT) {
		if info, err := os.Stat(m.Source); err != nil || !info.IsDir() {
			return nil // a file, or nothing: made at the next start
		}
		made, err := root.MkdirAll(m.Destination, 0o755, tree.Owner{})
		if err != nil {
			return err
		}
		made.Close()
		place, err = root.OpenPath(m.Destination)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	defer place.Close()
	at := "/proc/self/fd/" + strconv.Itoa(int(place.Fd()))
	if err := unix.Mount(m.Source, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &os.PathError{Op: "mount", Path: m.Source, Err: err}
	}
	if !slices.Contains(m.Options, "ro") {
		return nil
	}
	mounted, err := root.OpenPath(m.Destination)
	if err != nil {
		return err
	}
	defer mounted.Close()
	return unix.MountSetattr(int(mounted.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// WriteLayer writes what a container has changed in its image's files as a layer
// of an image. What is in volumes, and the places that rl made to mount something
// of its own, are not part of it. The caller is in the user namespace.
func (s Store) WriteLayer(id string, w io.Writer) error {
	upper, err := tree.Open(s.file(id, "upper"))
	if err != nil {
		return err
	}
	own := ownPlace()
	return errors.Join(upper.WriteLayer(w, nil, func(name string) bool { return own("/" + name) }), upper.Close())
}
