package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Written returns how many bytes are in the files that a container has written
// or changed, a file with several names counted once. The caller is in the user
// namespace: nobody else may read all of them. Files that come and go meanwhile
// are counted or not.
func (s Store) Written(id string) (int64, error) {
	var total int64
	seen := make(map[uint64]bool)
	err := filepath.WalkDir(s.file(id, "upper"), func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
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
