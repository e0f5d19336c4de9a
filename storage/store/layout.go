package store

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// extractLayout unpacks a tar of an OCI layout into a new folder. A layout holds
// plain files under known names, so nothing else is taken: no links, and no name
// that leads out of the folder.
func extractLayout(file, dir string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
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
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
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

// archiveLayout writes a folder in the OCI layout as a tar.
func archiveLayout(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return addFile(t, dir, file)
	})
	return errors.Join(err, t.Close())
}

func addFile(t *tar.Writer, dir, file string) error {
	name, err := filepath.Rel(dir, file)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// No times and owners: the same images give the same archive.
	h := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: info.Size(), Typeflag: tar.TypeReg}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// layoutWriter makes a folder in the OCI layout.
type layoutWriter struct {
	dir, blobs string
	index      ispec.Index
}

func newLayout(dir string) (*layoutWriter, error) {
	l := &layoutWriter{dir: dir, blobs: filepath.Join(dir, ispec.ImageBlobsDir, digest.Canonical.String())}
	l.index.SchemaVersion = 2
	return l, os.MkdirAll(l.blobs, 0o700)
}

// layer stores a layer's uncompressed archive under its digest.
func (l *layoutWriter) layer(content io.Reader) (d ispec.Descriptor, err error) {
	f, err := os.CreateTemp(l.blobs, "layer")
	if err != nil {
		return d, err
	}
	hash := digest.Canonical.Digester()
	n, err := io.Copy(io.MultiWriter(f, hash.Hash()), content)
	if err = errors.Join(err, f.Close()); err != nil {
		return d, err
	}
	d = ispec.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: hash.Digest(), Size: n}
	return d, os.Rename(f.Name(), filepath.Join(l.blobs, d.Digest.Encoded()))
}

func (l *layoutWriter) blob(mediaType string, data []byte) (ispec.Descriptor, error) {
	d := ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(filepath.Join(l.blobs, d.Digest.Encoded()), data, 0o600)
}

// image enters an image under its names, or without one. Podman looks for the
// name in one place, containerd and Docker in another.
func (l *layoutWriter) image(config ispec.Descriptor, layers []ispec.Descriptor, names []string) error {
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: config, Layers: layers}
	m.SchemaVersion = 2
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	d, err := l.blob(ispec.MediaTypeImageManifest, data)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		l.index.Manifests = append(l.index.Manifests, d)
	}
	for _, name := range names {
		d.Annotations = map[string]string{ispec.AnnotationRefName: name, containerdName: name}
		l.index.Manifests = append(l.index.Manifests, d)
	}
	return nil
}

// finish writes what makes the folder a layout.
func (l *layoutWriter) finish() error {
	index, err := json.Marshal(l.index)
	if err != nil {
		return err
	}
	version, err := json.Marshal(ispec.ImageLayout{Version: ispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(l.dir, ispec.ImageIndexFile), index, 0o600),
		os.WriteFile(filepath.Join(l.dir, ispec.ImageLayoutFile), version, 0o600),
	)
}
