package dirs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// lent are the folders in which rl's processes inside the user namespace write.
func (d Dirs) lent() []string {
	var lent []string
	for _, name := range []string{"containers", "names", "trash", "images", "storage", "tmp", "events", "volumes", "networks", "root", "build", ".config", ".config/containers"} {
		lent = append(lent, filepath.Join(d.Data, name))
	}
	for _, name := range []string{"storage", "sockets", "network"} {
		lent = append(lent, filepath.Join(d.Runtime, name))
	}
	return lent
}

// Lend makes the folders in which the user namespace's root writes, and gives
// them to it: uid and gid are its ids as the host counts. An ordinary user is
// that root, so this is for real root only, whose own files stay out of its
// containers' reach.
func (d Dirs) Lend(uid, gid int) error {
	for _, dir := range d.lent() {
		if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("lend to the user namespace: %w", err)
		}
		if err := os.Lchown(dir, uid, gid); err != nil {
			return fmt.Errorf("lend to the user namespace: %w", err)
		}
	}
	return nil
}
