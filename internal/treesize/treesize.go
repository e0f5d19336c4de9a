// Package treesize tells how much is in a folder.
package treesize

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Bytes returns how many bytes are in the files of a folder, a file with several
// names counted once. Files that come and go meanwhile are counted or not; a
// folder that is not there has none. The caller must be allowed to read all of
// it, which for files of mapped ids means to be in the user namespace.
func Bytes(folder string) (int64, error) {
	var total int64
	seen := make(map[uint64]bool)
	err := filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil // gone
		}
		if st := info.Sys().(*syscall.Stat_t); st.Nlink == 1 || !seen[st.Ino] {
			seen[st.Ino] = true
			total += info.Size()
		}
		return nil
	})
	return total, err
}
