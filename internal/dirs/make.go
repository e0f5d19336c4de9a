package dirs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// What is in the folders. Whoever writes later finds its place there.
var (
	inData    = [...]string{"containers", "names", "trash", "images", "storage", "tmp", "events", "volumes", "networks", "root", "build", ".config", ".config/containers"}
	inRuntime = [...]string{"storage", "sockets", "network"}
)

// Make makes the folders and those in them, where they are missing. It is called
// outside the user namespace by who is about to write, and by nobody else: who only
// looks leaves nothing behind. Killed halfway, or called twice at once, it is
// completed by the next call.
func (d Dirs) Make() error {
	if err := d.make(d.Data, inData[:]); err != nil {
		return fmt.Errorf("no place for containers: %w; set XDG_DATA_HOME to a folder of yours", err)
	}
	return d.make(d.Runtime, inRuntime[:])
}

func (d Dirs) make(top string, names []string) error {
	if isFolder(filepath.Join(top, names[len(names)-1])) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(top), 0o700); err != nil {
		return err
	}
	if err := d.private(top); err != nil {
		return err
	}
	for _, name := range names {
		if err := mkdir(filepath.Join(top, name), d.mode()); err != nil {
			return err
		}
	}
	return nil
}

// mode lets others pass through root's folders: the container's root is not the
// host's.
func (d Dirs) mode() os.FileMode {
	if d.UID == 0 {
		return 0o711
	}
	return 0o700
}

// private makes dir if it is missing, and checks it.
func (d Dirs) private(dir string) error {
	if err := mkdir(dir, d.mode()); err != nil {
		return err
	}
	if err := trusted(dir, d.UID); err != nil || d.UID != 0 {
		return err
	}
	return os.Chmod(dir, d.mode())
}

func mkdir(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// Lend gives the folders in which the user namespace's root writes to it: uid and
// gid are its ids as the host counts. An ordinary user is that root, so this is
// for real root only, whose own files stay out of its containers' reach.
func (d Dirs) Lend(uid, gid int) error {
	for _, place := range []struct {
		top   string
		names []string
	}{{d.Data, inData[:]}, {d.Runtime, inRuntime[:]}} {
		for _, name := range place.names {
			if err := os.Lchown(filepath.Join(place.top, name), uid, gid); err != nil {
				return fmt.Errorf("lend to the user namespace: %w", err)
			}
		}
	}
	return nil
}
