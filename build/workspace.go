package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/runner/boot"
)

// workspace is the overlay that a step works in:
//
//	new/fs    what the step changes (the upper folder)
//	work      overlayfs's own
//	root      where it is mounted
//	l/N       symbolic links to the layers below, as mount(2) takes one page
//	stub      the lowest layer: mount points that must not get into the result
type workspace struct {
	dir     string
	lower   []string // the topmost first
	mounted bool
	files   *tree.Root
	copied  bool // see [facts]
	// torn is whether what the step worked on is not what its key was made of: the
	// person's files changed meanwhile.
	torn bool
}

// workspace makes one on top of layers, the topmost first.
func (b *builder) workspace(layers []string) (_ *workspace, err error) {
	w := &workspace{lower: layers}
	if w.dir, err = os.MkdirTemp(b.scratch.Path, "step-"); err != nil {
		return nil, err
	}
	for _, name := range []string{"new", "new/fs", "work", "root", "l", "stub"} {
		if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	w.lower = append(w.lower, filepath.Join(w.dir, "stub"))
	for i, dir := range w.lower {
		if err := os.Symlink(dir, filepath.Join(w.dir, "l", strconv.Itoa(i))); err != nil {
			return nil, err
		}
	}
	return w, w.likeBelow()
}

// likeBelow gives the root folder the looks of the one below: overlayfs shows
// those of the upper one.
func (w *workspace) likeBelow() error {
	info, err := os.Stat(w.lower[0])
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	upper := w.upper()
	if err := os.Chown(upper, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(upper, st.Mode&0o7777); err != nil {
		return err
	}
	return os.Chtimes(upper, info.ModTime(), info.ModTime())
}

func (w *workspace) upper() string  { return filepath.Join(w.dir, "new", "fs") }
func (w *workspace) result() string { return filepath.Join(w.dir, "new") }
func (w *workspace) root() string   { return filepath.Join(w.dir, "root") }

// stub makes a mount point that does not end up in the result: a folder, or an
// empty file.
func (w *workspace) stub(path string, folder bool) error {
	root, err := tree.Open(filepath.Join(w.dir, "stub"))
	if err != nil {
		return err
	}
	defer root.Close()
	dir := path
	if !folder {
		dir = filepath.Dir(path)
	}
	at, err := root.MkdirAll(dir, 0o755, tree.Owner{})
	if err != nil {
		return err
	}
	defer at.Close()
	if folder {
		return nil
	}
	return at.Touch(filepath.Base(path))
}

// mount is how the overlay is mounted. What a step wrote is flushed to the disk
// in one go later (see cache.settle), not by each program that asks for it.
func (w *workspace) mount() boot.RootMount {
	names := make([]string, len(w.lower))
	for i := range w.lower {
		names[i] = strconv.Itoa(i)
	}
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`)
	return boot.RootMount{
		Folder: filepath.Join(w.dir, "l"),
		Options: "lowerdir=" + strings.Join(names, ":") + ",upperdir=" + escape.Replace(w.upper()) +
			",workdir=" + escape.Replace(filepath.Join(w.dir, "work")) + ",userxattr,volatile",
	}
}

// open mounts the overlay in this process's mount namespace.
func (w *workspace) open() (*tree.Root, error) {
	if w.files != nil {
		return w.files, nil
	}
	m := w.mount()
	failed := make(chan error)
	go func() {
		// The thread gets a current folder of its own, and ends with it.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Chdir(m.Folder)
		}
		if err == nil {
			err = unix.Mount("overlay", w.root(), "overlay", 0, m.Options)
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		return nil, fmt.Errorf("mount the files of the step (overlayfs in a user namespace, Linux 5.11): %w", err)
	}
	w.mounted = true
	var err error
	w.files, err = tree.Open(w.root())
	return w.files, err
}

// read opens a file of the step.
func (w *workspace) read(path string) (io.ReadCloser, error) {
	root, err := w.open()
	if err != nil {
		return nil, err
	}
	return root.OpenFile(path)
}

// unmount takes the overlay away again.
func (w *workspace) unmount() error {
	var err error
	if w.files != nil {
		err = w.files.Close()
		w.files = nil
	}
	if w.mounted {
		w.mounted = false
		err = errors.Join(err, os.NewSyscallError("umount", unix.Unmount(w.root(), unix.MNT_DETACH)))
	}
	return err
}

func (w *workspace) close() error {
	return errors.Join(w.unmount(), os.RemoveAll(w.dir))
}
