package store

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	cstorage "go.podman.io/storage"
)

// Formats of Save.
const (
	FormatDocker = "docker-archive"
	FormatOCI    = "oci-archive"
)

// SaveOptions say how to save.
type SaveOptions struct {
	Format   string // FormatDocker or FormatOCI
	Platform string // OS[/ARCH[/VARIANT]]; empty for what the names mean
}

// Save writes images as one archive, from first to last: what tells of the images
// and then their layers, uncompressed, each once. Every name that is given becomes
// a name in the archive; an image that is given by id is in it without one. Both
// formats are the OCI layout; Docker's has manifest.json beside it.
func (s *Store) Save(ctx context.Context, w io.Writer, o SaveOptions, refs []string) error {
	if o.Format != FormatDocker && o.Format != FormatOCI {
		return fmt.Errorf("format %q is not one of %s and %s", o.Format, FormatDocker, FormatOCI)
	}
	images, err := s.gather(refs, o.Platform)
	if err != nil {
		return err
	}
	var out outline
	for _, img := range images {
		if err := s.outline(&out, img); err != nil {
			return explain(fmt.Errorf("save image %s: %w", shortID(img.id), err))
		}
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	t := tar.NewWriter(buffered)
	if err := errors.Join(out.write(t, o.Format), s.writeLayers(ctx, t, out.layers), t.Close(), buffered.Flush()); err != nil {
		return explain(fmt.Errorf("save: %w", err))
	}
	for _, img := range images {
		s.happened("save", "sha256:"+img.id, "")
	}
	return nil
}

// A saved image is one, with the names that it has in the archive.
type saved struct {
	id    string
	names []reference.NamedTagged
}

// gather finds the images of all references before anything is written.
func (s *Store) gather(refs []string, platform string) ([]saved, error) {
	var images []saved
	index := make(map[string]int)
	for _, ref := range refs {
		f, err := s.findPlatform(ref, platform)
		if err != nil {
			return nil, err
		}
		at, ok := index[f.ID]
		if !ok {
			at = len(images)
			index[f.ID] = at
			images = append(images, saved{id: f.ID})
		}
		if named, err := reference.ParseNamed(f.name); err == nil {
			if tagged, ok := named.(reference.NamedTagged); ok {
				images[at].names = append(images[at].names, tagged)
			}
		}
	}
	return images, nil
}

// outline is what an archive tells of its images before their layers come.
type outline struct {
	index  ispec.Index
	docker []dockerImage
	blobs  [][]byte
	layers []storedLayer
}

// dockerImage is an entry of Docker's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// storedLayer is a layer as it is in an archive.
type storedLayer struct {
	id string
	ispec.Descriptor
	write func(io.Writer) error // of a layer that is not stored
}

// outline adds an image, with its configuration as it is, so that it keeps its id.
func (s *Store) outline(o *outline, img saved) error {
	stored, err := s.store.Image(img.id)
	if err != nil {
		return err
	}
	config, err := s.configBlob(stored)
	if err != nil {
		return err
	}
	stack, err := s.layers(stored)
	if err != nil {
		return err
	}
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: describe(ispec.MediaTypeImageConfig, config)}
	m.SchemaVersion = 2
	d := dockerImage{Config: blobPath(m.Config.Digest)}
	for _, layer := range slices.Backward(stack) {
		l, err := s.describeLayer(layer)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, l)
		d.Layers = append(d.Layers, blobPath(l.Digest))
		if !slices.ContainsFunc(o.layers, func(known storedLayer) bool { return known.Digest == l.Digest }) {
			o.layers = append(o.layers, storedLayer{id: layer.ID, Descriptor: l})
		}
	}
	data, err := s.manifestFor(stored, m)
	if err != nil {
		return err
	}
	o.blobs = append(o.blobs, config, data)
	for _, name := range img.names {
		d.RepoTags = append(d.RepoTags, reference.FamiliarString(name))
	}
	o.docker = append(o.docker, d)
	o.enter(describe(ispec.MediaTypeImageManifest, data), img.names)
	return nil
}

// manifestFor returns m, or the stored manifest if that says the same and maybe
// more: then the image's digest goes along.
func (s *Store) manifestFor(img *cstorage.Image, m ispec.Manifest) ([]byte, error) {
	data, err := s.store.ImageBigData(img.ID, cstorage.ImageDigestBigDataKey)
	var known ispec.Manifest
	if err == nil && json.Unmarshal(data, &known) == nil && known.MediaType == m.MediaType &&
		known.Config.Digest == m.Config.Digest && slices.EqualFunc(known.Layers, m.Layers, sameBlob) {
		return data, nil
	}
	return json.Marshal(m)
}

// enter puts an image into the index under its names, or without one. Podman
// looks for the name in one place, containerd and Docker in another.
func (o *outline) enter(d ispec.Descriptor, names []reference.NamedTagged) {
	if len(names) == 0 {
		o.index.Manifests = append(o.index.Manifests, d)
	}
	for _, name := range names {
		d.Annotations = map[string]string{ispec.AnnotationRefName: name.String(), containerdName: name.String()}
		o.index.Manifests = append(o.index.Manifests, d)
	}
}

// write writes all that comes before the layers.
func (o *outline) write(t *tar.Writer, format string) error {
	o.index.SchemaVersion, o.index.MediaType = 2, ispec.MediaTypeImageIndex
	files := []struct {
		name    string
		content any
	}{{ispec.ImageLayoutFile, ispec.ImageLayout{Version: ispec.ImageLayoutVersion}}, {ispec.ImageIndexFile, o.index}, {"manifest.json", o.docker}}
	if format == FormatOCI {
		files = files[:2]
	}
	for _, f := range files {
		data, err := json.Marshal(f.content)
		if err != nil {
			return err
		}
		if err := writeFile(t, f.name, data); err != nil {
			return err
		}
	}
	written := map[string]bool{}
	for _, data := range o.blobs {
		name := blobPath(digest.FromBytes(data))
		if written[name] {
			continue
		}
		written[name] = true
		if err := writeFile(t, name, data); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeLayers(ctx context.Context, t *tar.Writer, layers []storedLayer) error {
	for _, l := range layers {
		if err := t.WriteHeader(fileHeader(blobPath(l.Digest), l.Size)); err != nil {
			return err
		}
		n, err := s.copyLayer(ctx, l, t)
		// The store checks each file of the layer against the sum that it kept.
		if err == nil && n != l.Size || errors.Is(err, tar.ErrWriteTooLong) || errors.Is(err, errChanged) || err != nil && strings.Contains(err.Error(), "checksum failed") {
			err = fmt.Errorf("layer %s has changed since it was stored; pull the image again", shortID(l.id))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyLayer writes the archive of a layer, stored or not.
func (s *Store) copyLayer(ctx context.Context, l storedLayer, w io.Writer) (int64, error) {
	if l.write == nil {
		return s.readLayer(ctx, l.id, w)
	}
	d, n, err := measure(w, l.write)
	if err == nil && d != l.Digest {
		err = errors.New("its files changed while they were read")
	}
	return n, err
}

// describeLayer tells a layer's digest and size, which stores of old programs may
// not know.
func (s *Store) describeLayer(l *cstorage.Layer) (ispec.Descriptor, error) {
	d := ispec.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: l.UncompressedDigest, Size: l.UncompressedSize}
	if d.Digest != "" && d.Size > 0 {
		return d, nil
	}
	digester := digest.Canonical.Digester()
	var err error
	d.Size, err = s.readLayer(context.Background(), l.ID, digester.Hash())
	d.Digest = digester.Digest()
	return d, err
}

func describe(mediaType string, data []byte) ispec.Descriptor {
	return ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// blobPath is where a blob lies in an OCI layout.
func blobPath(d digest.Digest) string {
	return path.Join(ispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

func writeFile(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(fileHeader(name, int64(len(data)))); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}

// fileHeader has no time and no owner: the same images give the same archive.
func fileHeader(name string, size int64) *tar.Header {
	return &tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}
}

func sameBlob(a, b ispec.Descriptor) bool { return a.Digest == b.Digest && a.Size == b.Size }
