package tree

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// OpenLayered opens a regular file of an overlay that is not mounted: the first
// of its layers, the topmost first, that has it.
func OpenLayered(layers []string, path string) (io.ReadCloser, error) {
	for _, dir := range layers {
		f, err := openLayer(dir, path)
		if err == nil || !errors.Is(err, errBelow) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%s in the image: %w", path, os.ErrNotExist)
}

// errBelow says that a lower layer may have the file.
var errBelow = errors.New("not in this layer")

func openLayer(dir, path string) (io.ReadCloser, error) {
	layer, err := Open(dir)
	if err != nil {
		return nil, err
	}
	defer layer.Close()
	e, err := layer.Stat(path)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, errBelow
	case err != nil:
		return nil, err
	case !e.IsRegular():
		return nil, fmt.Errorf("%s in the image: %w", path, os.ErrNotExist)
	}
	return layer.OpenFile(path)
}

// ResolveLayered is Root.Resolve for an overlay that is not mounted: each name on
// the way is what the topmost layer that has it says.
func ResolveLayered(layers []string, name string) (string, error) {
	roots := make([]*Root, 0, len(layers))
	defer func() {
		for _, r := range roots {
			r.Close()
		}
	}()
	for _, dir := range layers {
		r, err := Open(dir)
		if err != nil {
			return "", err
		}
		roots = append(roots, r)
	}
	return resolve(name, func(name string) (e Entry, in *Root, err error) {
		for _, r := range roots {
			e, err = r.Lstat(name)
			if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
				return e, r, err
			}
		}
		return e, nil, unix.ENOENT
	})
}
