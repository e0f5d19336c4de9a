package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// homes is where [integration.NewEnv] makes what everything measured works in.
const homes = "/var/tmp"

// journalled mounts an ext4 with a journal, as machines have it, over homes, in
// a file as large as what is free there. Root calls it in a mount namespace
// that ends with the comparison, and the file with it. On an ext4 without a
// journal, which images of virtual machines like to have, the kernel gives no
// inode out again for some minutes after its file was removed (ext4,
// recently_deleted) and searches past all of them for each new one: what one
// contender removes would slow down the next.
func journalled() (err error) {
	file, err := os.CreateTemp(homes, "bench*.img")
	if err != nil {
		return err
	}
	// Once mounted, it is reached through its folder's descriptor only.
	below, err := os.OpenRoot(homes)
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()), file.Close())
	}
	defer func() { err = errors.Join(err, below.Remove(filepath.Base(file.Name())), below.Close(), file.Close()) }()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fs); err != nil {
		return fmt.Errorf("ask what is free in %s: %w", homes, err)
	}
	if err := file.Truncate(int64(fs.Bavail) * fs.Bsize); err != nil {
		return err
	}
	// Two million inodes, which mkfs leaves to be made when they are used; the
	// kernel's thread that would make them at once is not wanted beside a measurement.
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", "-F", "-N", "2000000", file.Name()},
		{"mount", "-o", "loop,noinit_itable", file.Name(), homes},
	} {
		if said, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, said)
		}
	}
	return os.Chmod(homes, 0o777|os.ModeSticky)
}
