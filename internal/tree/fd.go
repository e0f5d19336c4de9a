package tree

import (
	"io"

	"golang.org/x/sys/unix"
)

// fdFile reads and writes a descriptor that somebody else closes.
type fdFile int

func (f fdFile) Read(p []byte) (int, error) {
	n, err := unix.Read(int(f), p)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func (f fdFile) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n, err := unix.Write(int(f), p[done:])
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

func (r *Root) readLink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(r.dir.Fd()), name, buffer)
	return string(buffer[:max(n, 0)]), err
}
