package tree

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// overlayPrefix begins the attributes by which overlayfs keeps its own notes.
const overlayPrefix = "user.overlay."

// Opaque is such a note: a folder hides those of the same name in lower layers.
const opaque = overlayPrefix + "opaque"

// procPath names a file below r, or r itself as ".", in a way that takes no links
// on the way. It is not cleaned: without the dot it would name a link in /proc.
func (r *Root) procPath(name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(r.dir.Fd())) + "/" + name
}

// attributed is a file with extended attributes.
type attributed struct {
	list func(into []byte) (int, error)
	get  func(key string, into []byte) (int, error)
	set  func(key string, value []byte, flags int) error
}

// named is a file below r, or a link itself.
func (r *Root) named(name string) attributed {
	path := r.procPath(name)
	return attributed{
		func(into []byte) (int, error) { return unix.Llistxattr(path, into) },
		func(key string, into []byte) (int, error) { return unix.Lgetxattr(path, key, into) },
		func(key string, value []byte, flags int) error { return unix.Lsetxattr(path, key, value, flags) },
	}
}

// opened is a file that is open to be read or written.
func opened(fd int) attributed {
	return attributed{
		func(into []byte) (int, error) { return unix.Flistxattr(fd, into) },
		func(key string, into []byte) (int, error) { return unix.Fgetxattr(fd, key, into) },
		func(key string, value []byte, flags int) error { return unix.Fsetxattr(fd, key, value, flags) },
	}
}

// read returns the attributes, those of overlayfs too.
func (a attributed) read() (map[string][]byte, error) {
	var few [1024]byte
	names := few[:]
	n, err := a.list(names)
	if errors.Is(err, unix.ERANGE) {
		names = make([]byte, 1<<16)
		n, err = a.list(names)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for key := range bytes.SplitSeq(bytes.TrimSuffix(names[:n], []byte{0}), []byte{0}) {
		value := make([]byte, 1<<16)
		n, err := a.get(string(key), value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOVERFLOW) {
			continue // it is gone, or capabilities for users that are nobody here
		}
		if err != nil {
			return nil, err
		}
		found[string(key)] = value[:n]
	}
	return found, nil
}

// portable reports whether an attribute belongs to the file, and not to the
// machine it lies on.
func portable(key string) bool {
	return key == "security.capability" || strings.HasPrefix(key, "user.") && !strings.HasPrefix(key, overlayPrefix)
}

// attributes copies those that belong to the file, and in an upper folder the
// note that it hides others.
func (c *copier) attributes(to, from attributed) error {
	found, err := from.read()
	if err != nil {
		return err
	}
	for key, value := range found {
		if !portable(key) && !(c.upper && key == opaque) {
			continue
		}
		if err := to.set(key, value, 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}
