package store

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/ioutils"
	"go.podman.io/storage/pkg/lockfile"
	"golang.org/x/sys/unix"
)

// wholeImages is a store in which an image's data is there before the image is.
// containers/storage lists the image first: who is killed in between leaves one
// that has no configuration, and Podman lists no images at all while it is there.
type wholeImages struct {
	cstorage.Store
	of *Store
}

// CreateImage has the library do the same again: it makes the data part of the
// image's record. Data without an image is removed by sweepData.
func (w wholeImages) CreateImage(id string, names []string, layer, metadata string, o *cstorage.ImageOptions) (*cstorage.Image, error) {
	lock, err := w.of.lockStaging(unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if id != "" && o != nil {
		if err := putData(filepath.Join(w.of.imagesFolder(), id), o.BigData); err != nil {
			return nil, err
		}
	}
	return w.Store.CreateImage(id, names, layer, metadata, o)
}

// putData writes what is not there yet. The image may exist, with a manifest of
// its own.
func putData(dir string, data []cstorage.ImageBigDataOption) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, item := range data {
		file := filepath.Join(dir, dataName(item.Key))
		if _, err := os.Lstat(file); err == nil {
			continue
		}
		// The library writes it to the disk, later.
		if err := ioutils.AtomicWriteFileWithOpts(file, item.Data, 0o600, &ioutils.AtomicFileWriterOptions{NoSync: true}); err != nil {
			return err
		}
	}
	return nil
}

// dataName is what containers/storage calls the file of a piece of data.
func dataName(key string) string {
	if strings.Trim(key, ".0123456789abcdefghijklmnopqrstuvwxyz") == "" {
		return key
	}
	return "=" + base64.StdEncoding.EncodeToString([]byte(key))
}

// imagesFolder is where the images' records and data are.
func (s *Store) imagesFolder() string {
	root := s.opened.ImageStore
	if root == "" {
		root = s.opened.GraphRoot
	}
	return filepath.Join(root, s.driverName()+"-images")
}

// sweepData removes the data of images that were never made. While rl makes one
// anywhere, that waits for the next time; other programs make the image first.
func (s *Store) sweepData() error {
	dir := s.imagesFolder()
	if found, err := withoutImage(dir); err != nil || len(found) == 0 {
		return err
	}
	staging, err := s.lockStaging(unix.LOCK_EX | unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer staging.Close()
	lock, err := lockfile.GetLockFile(filepath.Join(dir, "images.lock"))
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	found, err := withoutImage(dir)
	for _, folder := range found {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// withoutImage lists the folders of data that belong to no image.
func withoutImage(dir string) (found []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "images.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var images []struct{ ID string }
	if err == nil {
		if err := json.Unmarshal(text, &images); err != nil {
			return nil, err
		}
	}
	known := make(map[string]bool, len(images))
	for _, img := range images {
		known[img.ID] = true
	}
	for _, e := range entries {
		if e.IsDir() && !known[e.Name()] {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}
