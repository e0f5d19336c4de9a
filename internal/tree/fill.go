package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// file writes a regular file. Pieces of zeros become holes, so that an archive
// that claims to hold gigabytes of them takes none.
func (u *unpacker) file(above *Root, base string, h *tar.Header) (err error) {
	fd, err := unix.Openat(int(above.dir.Fd()), base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pathError("create", h.Name, err)
	}
	defer func() {
		err = errors.Join(err, unix.Close(fd))
		if err != nil {
			unix.Unlinkat(int(above.dir.Fd()), base, 0)
		}
	}()
	if err := u.fill(fd, h); err != nil {
		return err
	}
	if u.chowns() {
		if err := u.mayChown(unix.Fchown(fd, u.owner(h).UID, u.owner(h).GID)); err != nil {
			return chownError(h.Name, u.owner(h), err)
		}
	}
	if err := unix.Fchmod(fd, uint32(h.Mode&0o7777)); err != nil {
		return pathError("chmod", h.Name, err)
	}
	err = extend(h, func(key string, value []byte) error { return unix.Fsetxattr(fd, key, value, 0) })
	return errors.Join(err, u.setTime(above, base, h))
}

// fill writes an entry's contents to a new file.
func (u *unpacker) fill(fd int, h *tar.Header) error {
	for at, end := int64(0), int64(0); ; {
		n, err := io.ReadFull(u.tar, u.buffer)
		if n > 0 && !zero(u.buffer[:n]) {
			if _, err := (fdAt{fd, at}).write(u.buffer[:n]); err != nil {
				return pathError("write", h.Name, err)
			}
			end = at + int64(n)
		}
		at += int64(n)
		if ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && at == h.Size; ended && at > end {
			return pathError("write", h.Name, unix.Ftruncate(fd, at))
		} else if ended {
			return nil
		}
		if err != nil {
			return badArchive(err)
		}
	}
}

var noBytes [4096]byte

// zero reports whether there is nothing but zeros.
func zero(b []byte) bool {
	for len(b) > len(noBytes) {
		if !bytes.Equal(b[:len(noBytes)], noBytes[:]) {
			return false
		}
		b = b[len(noBytes):]
	}
	return bytes.Equal(b, noBytes[:len(b)])
}

// fdAt is a place in an open file.
type fdAt struct {
	fd int
	at int64
}

func (f fdAt) write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n, err := unix.Pwrite(f.fd, b[done:], f.at+int64(done))
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(b), nil
}
