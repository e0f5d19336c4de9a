package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	ocilayout "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"
)

// Remote is an image elsewhere whose parts are read one by one: in a registry
// (Name, a complete reference) or in an OCI layout (Folder).
type Remote struct{ Name, Folder string }

func (r Remote) String() string { return r.Name + r.Folder }

// registry finds the place of r in a registry.
func (s *Store) registry(r Remote) (types.ImageReference, *types.SystemContext, error) {
	named, err := reference.ParseNamed(r.Name)
	if err != nil {
		return nil, nil, err
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return nil, nil, err
	}
	sys, err := s.systemContext("", reference.Domain(named))
	return ref, sys, err
}

// PutDraft writes d to a registry, or to a folder in place of the layout there.
func (s *Store) PutDraft(ctx context.Context, to Remote, d Draft) (err error) {
	tmp, err := s.openScratch()
	if err != nil {
		return err
	}
	defer tmp.Close()
	archive, dir := filepath.Join(tmp.Path, "archive"), filepath.Join(tmp.Path, "layout")
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	_, err = s.SaveDraft(ctx, f, FormatOCI, d)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if to.Folder != "" {
		return replaceLayout(archive, to.Folder)
	}
	if err := extractLayout(archive, dir); err != nil {
		return err
	}
	source, err := ocilayout.NewReference(dir, "")
	if err != nil {
		return err
	}
	target, sys, err := s.registry(to)
	if err != nil {
		return err
	}
	if _, err := s.copy(ctx, target, source, sys, PullOptions{}); err != nil {
		return explainRegistry("push", to.Name, err)
	}
	return nil
}

// replaceLayout unpacks a layout where one may be.
func replaceLayout(archive, dir string) error {
	for _, name := range []string{ispec.ImageIndexFile, ispec.ImageLayoutFile, ispec.ImageBlobsDir} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return extractInto(archive, dir)
}

// parts are where an image is read from.
type parts interface {
	manifest(ctx context.Context) ([]byte, error)
	blob(ctx context.Context, d ispec.Descriptor) (io.ReadCloser, error)
	Close() error
}

// inRegistry is an image in a registry.
type inRegistry struct{ types.ImageSource }

func (r inRegistry) manifest(ctx context.Context) ([]byte, error) {
	data, _, err := r.GetManifest(ctx, nil)
	return data, err
}

func (r inRegistry) blob(ctx context.Context, d ispec.Descriptor) (io.ReadCloser, error) {
	blob, _, err := r.GetBlob(ctx, types.BlobInfo{Digest: d.Digest, Size: d.Size}, none.NoCache)
	return blob, err
}

// inLayout is the first image of a layout.
type inLayout struct{ *os.Root }

func (l inLayout) manifest(ctx context.Context) ([]byte, error) {
	data, err := l.ReadFile(ispec.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	var index ispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, err
	}
	if len(index.Manifests) == 0 {
		return nil, fmt.Errorf("%w: it has no image", ErrArchive)
	}
	d := index.Manifests[0].Digest
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if data, err = l.ReadFile(blobPath(d)); err == nil && d.Algorithm().FromBytes(data) != d {
		err = fmt.Errorf("%w: its manifest is damaged", ErrArchive)
	}
	return data, err
}

func (l inLayout) blob(_ context.Context, d ispec.Descriptor) (io.ReadCloser, error) {
	return l.Root.Open(blobPath(d.Digest))
}

// Opened is a Remote that is being read. It may be used by several at once.
type Opened struct {
	// Config is its configuration, as JSON.
	Config []byte

	mu     sync.Mutex
	source parts
	layers []ispec.Descriptor
}

// Open reads the manifest and the configuration.
func (s *Store) Open(ctx context.Context, r Remote) (_ *Opened, err error) {
	o := new(Opened)
	if r.Folder != "" {
		root, err := os.OpenRoot(r.Folder)
		if err != nil {
			return nil, err
		}
		o.source = inLayout{root}
	} else {
		ref, sys, err := s.registry(r)
		if err != nil {
			return nil, err
		}
		source, err := ref.NewImageSource(ctx, sys)
		if err != nil {
			return nil, explainRegistry("pull", r.Name, err)
		}
		o.source = inRegistry{source}
	}
	if err := o.read(ctx); err != nil {
		o.source.Close()
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	return o, nil
}

func (o *Opened) read(ctx context.Context) error {
	data, err := o.source.manifest(ctx)
	if err != nil {
		return err
	}
	var m ispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.Config.Digest == "" || m.Config.Size > 64<<20 {
		return fmt.Errorf("%w: it is no image", ErrArchive)
	}
	o.layers = m.Layers
	for _, d := range append([]ispec.Descriptor{m.Config}, m.Layers...) {
		if err := d.Digest.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
	}
	blob, err := o.source.blob(ctx, m.Config)
	if err != nil {
		return err
	}
	defer blob.Close()
	verifier := m.Config.Digest.Verifier()
	o.Config, err = io.ReadAll(io.TeeReader(io.LimitReader(blob, m.Config.Size), verifier))
	if err == nil && !verifier.Verified() {
		err = fmt.Errorf("%w: its configuration is damaged", ErrArchive)
	}
	return err
}

// Layer calls read with the archive of a layer, uncompressed, the lowest being
// number 0, and then compares the digest of what came.
func (o *Opened) Layer(ctx context.Context, number int, read func(io.Reader) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if number < 0 || number >= len(o.layers) {
		return fmt.Errorf("%w: it has no layer %d", ErrArchive, number)
	}
	d := o.layers[number]
	blob, err := o.source.blob(ctx, d)
	if err != nil {
		return err
	}
	defer blob.Close()
	verifier := d.Digest.Verifier()
	whole := io.TeeReader(blob, verifier)
	plain, _, err := compression.AutoDecompress(whole)
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := read(plain); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("%w: layer %s is damaged", ErrArchive, d.Digest)
	}
	return nil
}

// Close ends the reading.
func (o *Opened) Close() error { return o.source.Close() }
