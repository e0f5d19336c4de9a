package store

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
)

// maxPreface is how much of an archive is kept in memory in search of what tells
// of its images, before it is taken for one that has this at its end.
const maxPreface = 16 << 20

// preface is what an archive holds before its first large file. Reading on from
// tar gives what comes after.
type preface struct {
	source recorder
	tar    *tar.Reader
	files  map[string][]byte
	next   *tar.Header // of the large file, nil at the end
}

// recorder keeps what was read through it.
type recorder struct {
	io.Reader
	read bytes.Buffer
	off  bool
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if !r.off {
		r.read.Write(b[:n])
	}
	return n, err
}

// readPreface reads up to the first file that may be a large layer. What is
// wrong with the archive is left to be found by who reads all of it.
func readPreface(r io.Reader) *preface {
	p := &preface{source: recorder{Reader: r}, files: map[string][]byte{}}
	p.tar = tar.NewReader(&p.source)
	for {
		h, err := p.tar.Next()
		if err != nil {
			return p
		}
		if h.Typeflag == tar.TypeReg && int64(p.source.read.Len())+h.Size > maxPreface {
			p.next = h
			return p
		}
		data, err := io.ReadAll(p.tar)
		if err != nil {
			return p
		}
		if h.Typeflag == tar.TypeReg {
			p.files[entryName(h)] = data
		}
	}
}

// entryName is a file's name as the OCI layout writes it.
func entryName(h *tar.Header) string { return strings.TrimPrefix(path.Clean("/"+h.Name), "/") }

// whole is the archive from its beginning.
func (p *preface) whole() io.Reader {
	p.source.off = true
	return io.MultiReader(&p.source.read, p.source.Reader)
}

// incoming is an image in an archive, all of it known but its layers' contents.
type incoming struct {
	names    []string
	config   []byte
	manifest []byte // nil if the archive has none
	layers   []incomingLayer
	top      string // the store's id of the layers that have come
	have     int    // how many these are
}

// incomingLayer is a file of an OCI layout, and what it must be when unpacked.
type incomingLayer struct{ digest, diffID digest.Digest }

// images tells what is in the archive, if all of it is in the preface and the
// layers have the names that the OCI layout gives them.
func (p *preface) images() ([]*incoming, bool) {
	var index ispec.Index
	if json.Unmarshal(p.files[ispec.ImageIndexFile], &index) != nil {
		return nil, false
	}
	var images []*incoming
	for _, d := range index.Manifests {
		data, ok := p.blob(d.Digest)
		if !ok {
			return nil, false
		}
		img, ok := p.image(data)
		if !ok {
			return nil, false
		}
		img.names = annotatedNames(d.Annotations)
		images = append(images, img)
	}
	if data, ok := p.files["manifest.json"]; ok {
		return withNames(data, images)
	}
	return images, len(images) > 0
}

// withNames gives images the complete names that Docker's manifest.json has.
func withNames(data []byte, images []*incoming) ([]*incoming, bool) {
	var list []dockerImage
	if json.Unmarshal(data, &list) != nil {
		return nil, false
	}
	var named []*incoming
	for _, entry := range list {
		at := slices.IndexFunc(images, func(i *incoming) bool {
			return path.Clean(entry.Config) == blobPath(digest.FromBytes(i.config)) &&
				slices.EqualFunc(entry.Layers, i.layers, func(file string, l incomingLayer) bool { return path.Clean(file) == blobPath(l.digest) })
		})
		if at < 0 {
			return nil, false
		}
		img := *images[at]
		img.names = nil
		for _, tag := range entry.RepoTags {
			name, err := reference.ParseNormalizedNamed(tag)
			if err != nil || reference.IsNameOnly(name) {
				return nil, false
			}
			img.names = append(img.names, name.String())
		}
		named = append(named, &img)
	}
	return named, len(named) > 0
}

// blob returns a file of the layout, if it is what its name says.
func (p *preface) blob(d digest.Digest) ([]byte, bool) {
	if d.Validate() != nil {
		return nil, false
	}
	data, ok := p.files[blobPath(d)]
	return data, ok && d.Algorithm().FromBytes(data) == d
}

// image reads a manifest and the configuration that belongs to it.
func (p *preface) image(data []byte) (*incoming, bool) {
	kind := manifest.GuessMIMEType(data)
	if kind != ispec.MediaTypeImageManifest && kind != manifest.DockerV2Schema2MediaType {
		return nil, false
	}
	var m ispec.Manifest
	var c config
	if json.Unmarshal(data, &m) != nil {
		return nil, false
	}
	img := &incoming{manifest: data}
	var ok bool
	if img.config, ok = p.blob(m.Config.Digest); !ok || json.Unmarshal(img.config, &c) != nil || len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, false
	}
	for i, l := range m.Layers {
		diffID := c.RootFS.DiffIDs[i]
		if l.Digest.Validate() != nil || diffID.Validate() != nil || !slices.Contains(plainLayers, l.MediaType) {
			return nil, false
		}
		img.layers = append(img.layers, incomingLayer{l.Digest, diffID})
	}
	return img, true
}

// plainLayers are the media types of archives that everybody may have.
var plainLayers = []string{
	ispec.MediaTypeImageLayer, ispec.MediaTypeImageLayerGzip, ispec.MediaTypeImageLayerZstd,
	manifest.DockerV2SchemaLayerMediaTypeUncompressed, manifest.DockerV2Schema2LayerMediaType,
}

// streamer stores images while their archive is being read.
type streamer struct {
	*Store
	images   []*incoming
	dir      string // for layers that come before those below them
	kept     map[digest.Digest]func() (io.ReadCloser, error)
	added    []string // layers, for the case that the load fails
	progress func(LayerProgress)
}

// loadStream stores the images of an archive whose preface tells all about them.
func (s *Store) loadStream(p *preface, images []*incoming, dir string, o PullOptions) (loaded []Loaded, err error) {
	l := &streamer{Store: s, images: images, dir: dir, kept: map[digest.Digest]func() (io.ReadCloser, error){}, progress: o.Progress}
	if l.progress == nil {
		l.progress = func(LayerProgress) {}
	}
	defer s.tidy()
	defer func() {
		if err != nil {
			l.undo()
		}
	}()
	p.source.off = true
	if err := l.layers(p); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, p.source.Reader); err != nil {
		return nil, err
	}
	for _, img := range images {
		one, err := l.finish(img)
		if err != nil {
			return loaded, err
		}
		loaded = append(loaded, one)
	}
	return loaded, nil
}

// layers stores each layer as soon as those below it are there.
func (l *streamer) layers(p *preface) error {
	for _, data := range p.files {
		l.kept[digest.FromBytes(data)] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	if err := l.advance(); err != nil {
		return err
	}
	for h, err := p.next, error(nil); h != nil; h, err = p.tar.Next() {
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
		}
		if err := l.file(h, p.tar); err != nil {
			return err
		}
		if err := l.advance(); err != nil {
			return err
		}
	}
	for _, img := range l.images {
		if img.have < len(img.layers) {
			return fmt.Errorf("%w: layer %s is not in it", ErrArchive, img.layers[img.have].digest)
		}
	}
	return nil
}

// file takes one file of the archive: the next layer of just one image goes into
// the store at once, and one that is needed later is kept.
func (l *streamer) file(h *tar.Header, content io.Reader) error {
	name := entryName(h)
	var next, later []*incoming
	for _, img := range l.images {
		switch at := slices.IndexFunc(img.layers[img.have:], func(i incomingLayer) bool { return blobPath(i.digest) == name }); {
		case at == 0:
			next = append(next, img)
		case at > 0:
			later = append(later, img)
		}
	}
	if len(next) == 1 && len(later) == 0 && !slices.ContainsFunc(next[0].layers[next[0].have+1:], func(i incomingLayer) bool { return blobPath(i.digest) == name }) {
		return l.add(next[0], content, h.Size)
	}
	if len(next)+len(later) == 0 {
		return nil
	}
	file := filepath.Join(l.dir, path.Base(name))
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	digester := digest.Canonical.Digester()
	_, err = io.Copy(io.MultiWriter(f, digester.Hash()), content)
	l.kept[digester.Digest()] = func() (io.ReadCloser, error) { return os.Open(file) }
	return errors.Join(err, f.Close())
}

// advance adds to each image the layers that are stored already or kept.
func (l *streamer) advance() error {
	for _, img := range l.images {
		for img.have < len(img.layers) {
			next := img.layers[img.have]
			if known := (&NewLayer{DiffID: next.diffID}); l.hasLayer(img.top, known) {
				l.progress(LayerProgress{Digest: next.digest.String(), State: LayerExists})
				img.top, img.have = known.ID, img.have+1
				continue
			}
			open, ok := l.kept[next.digest]
			if !ok {
				break
			}
			content, err := open()
			if err != nil {
				return err
			}
			err = l.add(img, content, -1)
			content.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// add stores the next layer of img.
func (l *streamer) add(img *incoming, content io.Reader, size int64) error {
	next := img.layers[img.have]
	layer := NewLayer{Blob: next.digest, Want: next.diffID, Write: func(w io.Writer) error {
		r := &reporter{Reader: content, progress: l.progress, now: LayerProgress{Digest: next.digest.String(), State: LayerCopying, Total: size}}
		return copyLayer(w, r, next)
	}}
	if err := l.AddLayer(img.top, &layer); err != nil {
		return err
	}
	l.progress(LayerProgress{Digest: next.digest.String(), State: LayerCopied})
	l.added = append(l.added, layer.ID)
	img.top, img.have = layer.ID, img.have+1
	return nil
}

// copyLayer writes a layer uncompressed, and checks that a compressed one came as
// the manifest says. Who stores it checks the rest.
func copyLayer(w io.Writer, r io.Reader, l incomingLayer) error {
	check := l.digest.Verifier()
	packed := l.digest != l.diffID
	if packed {
		r = io.TeeReader(r, check)
	}
	plain, _, err := compression.AutoDecompress(r)
	if err != nil {
		return fmt.Errorf("%w: layer %s: %w", ErrArchive, l.digest, err)
	}
	defer plain.Close()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{plain}, make([]byte, 1<<20))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if isDamaged(err) {
		err = fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
	}
	if err == nil && packed && !check.Verified() {
		err = fmt.Errorf("%w: layer %s is damaged: its contents have another digest", ErrArchive, l.digest)
	}
	return err
}

// finish makes the image of layers that have all come.
func (l *streamer) finish(img *incoming) (Loaded, error) {
	id, _, err := l.putImage(img.config, img.manifest, img.top, img.names)
	if err != nil {
		return Loaded{}, err
	}
	stored, err := l.store.Image(id)
	if err != nil {
		return Loaded{}, err
	}
	first := slices.Concat(img.names, []string{shortID(id)})[0]
	l.warnClamped(first, stored)
	name := ""
	if len(img.names) > 0 {
		name = img.names[0]
	}
	l.happened("load", "sha256:"+id, name)
	return Loaded{ID: id, Names: img.names}, nil
}

// undo removes the layers that were added, unless somebody has built on them
// meanwhile.
func (l *streamer) undo() {
	for _, id := range slices.Backward(l.added) {
		if l.store.DeleteLayer(id) != nil {
			return
		}
	}
}

// reporter tells how much was read through it.
type reporter struct {
	io.Reader
	progress func(LayerProgress)
	now      LayerProgress
	last     time.Time
}

func (r *reporter) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.now.Current += int64(n)
	if time.Since(r.last) > progressInterval {
		r.last = time.Now()
		r.progress(r.now)
	}
	return n, err
}
