package spec

import (
	"fmt"
	"path/filepath"
	"strings"
)

// ParseRootfs reads --rootfs: a folder, relative ones to dir, that is the container's root; with :O after it the folder
// is only read, and what the container writes is thrown away when it is started again or removed.
func ParseRootfs(s, dir string) (folder string, overlay bool, err error) {
	folder, option, found := s, "", false
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		folder, option, found = s[:i], s[i+1:], true
	}
	if found && option != "O" {
		return "", false, fmt.Errorf("--rootfs %q: only O may follow a colon, for a throw-away copy on top", s)
	}
	if folder == "" || strings.ContainsRune(folder, 0) {
		return "", false, fmt.Errorf("--rootfs %q: write FOLDER or FOLDER:O", s)
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	return filepath.Clean(folder), found, nil
}
