package store

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// extractLayout unpacks a tar of an OCI layout into a new folder. A layout holds
// plain files under known names, so nothing else is taken: no links, and no name
// that leads out of the folder.
func extractLayout(file, dir string) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return extractInto(file, dir)
}

// extractInto is extractLayout for a folder that is there.
func extractInto(file, dir string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
		}
		if err := extractEntry(root, h, t); err != nil {
			return err
		}
	}
}

func extractEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	name := entryName(h)
	if h.Typeflag != tar.TypeReg || !isLayoutFile(name) {
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return explain(err)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return explain(err)
	}
	_, err = io.Copy(f, content)
	return explain(errors.Join(err, f.Close()))
}

// isLayoutFile reports whether a name may stand in an OCI layout.
func isLayoutFile(name string) bool {
	if name == "oci-layout" || name == "index.json" {
		return true
	}
	parts := strings.Split(name, "/")
	return len(parts) == 3 && parts[0] == "blobs"
}
