//go:build !split && containers_image_openpgp

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// lentFiles are the descriptors that were handed down, by the paths as typed.
func lentFiles() (fds map[string]int) {
	if json.Unmarshal([]byte(os.Getenv(lentVar)), &fds) != nil {
		return nil
	}
	return fds
}

// lentSocket is the connection to a socket that the command line names, nil if
// none was handed down.
func lentSocket(path string) *os.File {
	fd, ok := lentFiles()[path]
	if !ok {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil
	}
	return os.NewFile(uintptr(fd), path)
}

// lentPath is the path inside of a file that the command line names.
func lentPath(path string) string {
	fds := lentFiles()
	if fd, ok := fds[path]; ok {
		return "/proc/self/fd/" + strconv.Itoa(fd)
	}
	if fd, ok := fds[filepath.Dir(path)]; ok {
		return filepath.Join("/proc/self/fd", strconv.Itoa(fd), filepath.Base(path))
	}
	return path
}

// lentOutput is the path inside of a file to write, or of a folder to write into
// that is handed down itself. The folder above is handed down by itself, as
// FOLDER/: what is only read may be made read-only.
func lentOutput(path string) string {
	if fd, ok := lentFiles()[path]; ok {
		return "/proc/self/fd/" + strconv.Itoa(fd)
	}
	if fd, ok := lentFiles()[outputKey(path)]; ok {
		return filepath.Join("/proc/self/fd", strconv.Itoa(fd), filepath.Base(path))
	}
	return path
}
