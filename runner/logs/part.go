package logs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// part is one file of a log, open for reading. What ReadAt and size tell of it
// is what was logged, also where the file is compressed.
type part struct {
	*os.File
	packed *packed // nil unless it is compressed
}

// openPart opens the file that was set aside n times.
func openPart(path string, n int) (*part, error) {
	f, err := os.Open(numbered(path, n))
	if err == nil {
		return &part{File: f}, nil
	}
	if n == 0 || !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if f, err = os.Open(packedName(path, n)); err != nil {
		return nil, err
	}
	p, err := openPacked(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &part{f, p}, nil
}

// ReadAt reads what was logged.
func (p *part) ReadAt(b []byte, off int64) (int, error) {
	if p.packed != nil {
		return p.packed.ReadAt(b, off)
	}
	return p.File.ReadAt(b, off)
}

// size is how much was logged into the file so far, in bytes.
func (p *part) size() (int64, error) {
	if p.packed != nil {
		return p.packed.size, nil
	}
	info, err := p.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// isStored reports whether f is the file that was set aside n times, or its
// compressed copy.
func isStored(path string, n int, f fs.FileInfo) bool {
	for _, name := range []string{numbered(path, n), packedName(path, n)} {
		if info, err := os.Stat(name); err == nil && os.SameFile(info, f) {
			return true
		}
	}
	return false
}

// wasPackedFrom reports whether the file that was set aside n times is the
// compressed copy of f, which is open. The inode of an open file is given to no
// other, so the newest copy that names it is f's.
func wasPackedFrom(path string, n int, f fs.FileInfo) bool {
	c, err := os.Open(packedName(path, n))
	if err != nil {
		return false
	}
	defer c.Close()
	h, err := readHeader(c, 0)
	return err == nil && h.inode == inode(f)
}

func inode(f fs.FileInfo) uint64 {
	st, _ := f.Sys().(*syscall.Stat_t) // as package os documents
	return st.Ino
}
