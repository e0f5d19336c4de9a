package store

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
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
