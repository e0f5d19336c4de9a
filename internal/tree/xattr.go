package tree

import (
	"bytes"
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// overlayPrefix begins the attributes by which overlayfs keeps its own notes.
const overlayPrefix = "user.overlay."

// Opaque is such a note: a folder hides those of the same name in lower layers.
const opaque = overlayPrefix + "opaque"

// procPath names a file below r in a way that takes no links on the way.
func (r *Root) procPath(name string) string {
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(r.dir.Fd())), name)
}

// attributes returns a file's extended attributes, those of overlayfs too.
func (r *Root) attributes(name string) (map[string][]byte, error) {
	path := r.procPath(name)
	names := make([]byte, 1024)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ERANGE) {
		names = make([]byte, 1<<16)
		n, err = unix.Llistxattr(path, names)
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
		n, err := unix.Lgetxattr(path, string(key), value)
		if errors.Is(err, unix.ENODATA) {
			continue
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

func copyAttributes(to *Root, name string, from *Root, source string) error {
	found, err := from.attributes(source)
	if err != nil {
		return err
	}
	for key, value := range found {
		if !portable(key) {
			continue
		}
		if err := unix.Lsetxattr(to.procPath(name), key, value, 0); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}
