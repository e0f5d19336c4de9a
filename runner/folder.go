package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
)

// image finds what the container is to be made of: an image, or with --rootfs a
// folder.
func (s Store) image(o CreateOptions) (*storage.Image, error) {
	if o.Options.Rootfs == "" {
		img, err := storage.Lookup(s.Data, o.Image, o.Platform)
		if err != nil {
			return nil, err
		}
		return img, img.CheckExecutable(o.Image)
	}
	dir, _, err := spec.ParseRootfs(o.Options.Rootfs, o.Dir)
	if err != nil {
		return nil, err
	}
	return folderImage(dir)
}

// rootfsOf is --rootfs with the whole path, which no longer depends on where the
// person was. The words have been read without an error.
func rootfsOf(o CreateOptions) string {
	dir, overlay, _ := spec.ParseRootfs(o.Options.Rootfs, o.Dir)
	if overlay {
		dir += ":O"
	}
	return dir
}

// overflowID is what the kernel shows in place of ids that a user namespace
// does not have.
const overflowID = 65534

// folderImage describes a folder as an image of one layer, which is in no store
// and has neither id nor configuration. Ids are those of the user namespace.
func folderImage(dir string) (*storage.Image, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("--rootfs %s: there is no such folder", dir)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("--rootfs %s: the user that the container runs as may not go there (root's containers are "+
			"another user): make the folders above it accessible to others", dir)
	case err != nil:
		return nil, fmt.Errorf("--rootfs: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("--rootfs %s is not a folder: unpack it into one, or give it to rl import", dir)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == overflowID || owner.Gid == overflowID {
		return nil, fmt.Errorf("--rootfs %s belongs to a user or a group without an id in containers: have it belong to you and "+
			"your group, or for root to those that `rl unshare cat /proc/self/uid_map` says is 0 there", dir)
	}
	return &storage.Image{
		Layers: []string{dir}, Links: []string{dir}, RootMode: uint32(info.Mode().Perm()),
		RootUID: int(owner.Uid), RootGID: int(owner.Gid), Store: storage.Store{Driver: "overlay", Home: "/"},
	}, nil
}

// claimImage keeps the image from being removed under the container.
func claimImage(img *storage.Image, id, folder string) error {
	if img.ID == "" { // a folder of the person's own
		return nil
	}
	return img.Claim(id, folder)
}

// folderRoot returns the folder that is the container's root as it is, "" where
// there is an overlay. An overlay over a folder begins empty at each start.
func (m *monitor) folderRoot() (string, error) {
	if m.Options.Rootfs == "" {
		return "", nil
	}
	dir, overlay, err := spec.ParseRootfs(m.Options.Rootfs, "/")
	if err != nil || !overlay {
		return dir, err
	}
	img, err := folderImage(dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"upper", "work"} {
		if err := os.RemoveAll(m.store.file(m.ID, name)); err != nil {
			return "", err
		}
	}
	return "", makeOverlay(m.store.Folder(m.ID), img)
}

// makeOverlay makes the folders of an overlay. It shows the upper folder's own
// mode and owner as those of "/".
func makeOverlay(folder string, img *storage.Image) error {
	upper := filepath.Join(folder, "upper")
	for _, name := range []string{upper, filepath.Join(folder, "work")} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	if err := os.Chown(upper, img.RootUID, img.RootGID); err != nil {
		return fmt.Errorf("prepare the root folder: %w", err)
	}
	return os.Chmod(upper, os.FileMode(img.RootMode&0o777))
}
