package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A file is the newest file of a log and, by its name, those before it.
type file struct {
	path string
	size int64 // limit of one, in bytes
	keep int   // how many there may be
	pack bool  // whether those that were set aside are compressed

	f    *os.File // nil while it could not be opened
	used int64
	torn bool // the last line is without its end

	packer *packer // nil if there is nothing to compress
}

// open opens or makes the newest file, to append to it. What a killed monitor
// or a full disk left of a line is left alone, but ended before more is
// written.
func (l *file) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: l.path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return err
	}
	l.f, l.used, l.torn = f, info.Size(), false
	last := make([]byte, 1)
	if n, _ := f.ReadAt(last, l.used-1); n == 1 {
		l.torn = last[0] != '\n'
	}
	return nil
}

// room returns how many bytes fit before the next rotation; at least 1.
func (l *file) room() int64 {
	if l.used >= l.size {
		return l.size
	}
	return l.size - l.used
}

// write appends whole lines, to the next file if this one is full. It returns
// how many bytes were written, as io.Writer does.
func (l *file) write(lines []byte) (int, error) {
	if err := l.prepare(); err != nil {
		return 0, err
	}
	n, err := l.f.Write(lines)
	l.used += int64(n)
	if n > 0 {
		l.torn = lines[n-1] != '\n'
	}
	return n, err
}

// prepare sees that a file is open, is not full and ends in a whole line.
func (l *file) prepare() error {
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.used >= l.size {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if !l.torn {
		return nil
	}
	n, err := l.f.Write([]byte{'\n'})
	l.used += int64(n)
	l.torn = err != nil
	return err
}

// rotate sets the file aside as path.1, path.1 as path.2, and begins a new
// one. Files only ever move to higher numbers, and the oldest goes first:
// readers depend on both. The oldest is unlinked rather than renamed over,
// because ext4 writes a file to the disk when it is renamed over another.
func (l *file) rotate() error {
	l.close()
	l.packer.finish()
	l.packer = nil
	if err := l.remove(l.keep - 1); err != nil {
		return err
	}
	for n := l.keep - 1; n > 0; n-- {
		if err := l.setAside(n - 1); err != nil {
			return err
		}
	}
	err := l.open()
	l.startPacker()
	return err
}

// remove removes the file that was set aside n times.
func (l *file) remove(n int) error {
	if l.pack {
		if err := removeIfThere(packedName(l.path, n)); err != nil {
			return err
		}
	}
	return removeIfThere(l.numbered(n))
}

// setAside moves a file to the next higher number. Of a file and its compressed
// copy, which a crash may leave, only the copy: with one of them moved, there
// would seem to be two files.
func (l *file) setAside(n int) error {
	if l.pack && n > 0 {
		if err := settle(l.path, n); err != nil {
			return err
		}
		if err := ignoreMissing(os.Rename(packedName(l.path, n), packedName(l.path, n+1))); err != nil {
			return err
		}
	}
	return ignoreMissing(os.Rename(l.numbered(n), l.numbered(n+1)))
}

// startPacker compresses what was set aside, if that is asked for.
func (l *file) startPacker() {
	if l.pack {
		l.packer = startPacker(l.path, l.keep)
	}
}

// end closes the file for good.
func (l *file) end() error {
	l.packer.stop()
	l.packer = nil
	return l.close()
}

func (l *file) numbered(n int) string { return numbered(l.path, n) }

// numbered returns the name of the file that was set aside n times.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

func removeIfThere(path string) error {
	return ignoreMissing(os.Remove(path))
}

func (l *file) close() error {
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
