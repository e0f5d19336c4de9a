package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
	"github.com/rl-project/rl/storage"
)

// fill makes the files of r in the empty folder dir of the image store. To write each
// of them a second time costs as much as the step itself did: where nobody needs them
// in the cache, they move. follow is then called for, when they are a layer.
func (b *builder) fill(r *result, dir string) (moved bool, err error) {
	if b.moves(r) && r.alone() {
		if moved, err = r.move(dir); moved || err != nil {
			return moved, err
		}
	}
	return false, r.copy(dir, b.Epoch)
}

// moves reports whether the result may move. The image must be the last that is
// made of it: once it is stored, somebody can remove it.
func (b *builder) moves(r *result) bool {
	return r.Copied && r.home() == "" && b.Epoch == nil && len(b.Outputs) <= 1 && len(b.CacheTo) == 0
}

// move puts the upper folder in the place of dir. It does nothing if the two are not
// on one file system.
func (r *result) move(dir string) (moved bool, err error) {
	if err := makeLower(r.fs(), dir); err != nil {
		return false, err
	}
	err = unix.Rename(r.fs(), dir) // os.Rename does not replace a folder
	if errors.Is(err, unix.EXDEV) {
		return false, nil
	}
	if err != nil {
		return false, &os.LinkError{Op: "rename", Old: r.fs(), New: dir, Err: err}
	}
	return true, nil
}

// follow leaves a link to the files that moved into a layer.
func (b *builder) follow(r *result, layer string) error {
	home, err := b.images.LayerFolder(layer)
	if err != nil {
		return err
	}
	return os.Symlink(home, r.fs())
}

// makeLower gives an upper folder what makes it a lower one, and the looks of another.
func makeLower(upper, like string) error {
	root, err := tree.Open(upper)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.ForgetOverlay(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(like, &st); err != nil {
		return &os.PathError{Op: "stat", Path: like, Err: err}
	}
	if err := os.Chown(upper, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(upper, st.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: upper, Err: err}
	}
	return nil
}

// home is the folder of the layer that the files are in, "" if they are in the cache.
func (r *result) home() string {
	home, _ := os.Readlink(r.fs())
	return home
}

// waitForFiles waits until nobody moves the files any more, and sees that they stay
// where they are then. It fails if they are nowhere.
func (r *result) waitForFiles() (err error) {
	if r.place, err = os.Open(r.dir); err != nil {
		return err
	}
	if err = unix.Flock(int(r.place.Fd()), unix.LOCK_SH); err == nil {
		_, err = os.Stat(r.fs())
	}
	if err != nil {
		r.place.Close()
	}
	return err
}

// alone reports whether no other build looks at the files; none does then until stay
// is called.
func (r *result) alone() bool {
	if unix.Flock(int(r.place.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return true
	}
	r.stay() // the kernel gave up the lock that was
	return false
}

// stay is the end of alone.
func (r *result) stay() { _ = unix.Flock(int(r.place.Fd()), unix.LOCK_SH) }

// close lets the result be pruned.
func (r *result) close() {
	r.lock.Close()
	r.place.Close()
}

// keep sees that files that lie in the image store stay there while the build lasts.
// If they are gone, it reports that.
func (b *builder) keep(ctx context.Context, r *result) bool {
	home := r.home()
	if home == "" {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.held, home) {
		return true
	}
	for ctx.Err() == nil {
		img, err := b.images.ImageWith(filepath.Base(filepath.Dir(home)))
		if err != nil {
			return false
		}
		if err = b.claim(img); !errors.Is(err, storage.ErrNotResolved) {
			return err == nil && exists(home)
		}
	}
	return false
}
