package runner

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// reader reads many small files below one folder with three system calls each.
// os.ReadFile needs nine, and a buffer of its own every time: with hundreds of
// files that is most of what a list takes.
type reader struct {
	folder *os.File
	buffer []byte
}

func newReader(folder string) (*reader, error) {
	f, err := os.Open(folder)
	return &reader{f, make([]byte, 16<<10)}, err
}

// read returns the content of a regular file, valid until the next read.
func (r *reader) read(name string) ([]byte, error) {
	fd, err := unix.Openat(int(r.folder.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, r.failed("open", name, err)
	}
	defer unix.Close(fd)
	for n := 0; ; {
		m, err := unix.Read(fd, r.buffer[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, r.failed("read", name, err)
		}
		if n += m; n < len(r.buffer) {
			return r.buffer[:n], nil // a short read is the end of a regular file
		}
		r.buffer = append(r.buffer, make([]byte, len(r.buffer))...)
	}
}

func (r *reader) failed(op, name string, err error) error {
	return &os.PathError{Op: op, Path: filepath.Join(r.folder.Name(), name), Err: err}
}

func (r *reader) Close() error { return r.folder.Close() }
