package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	split "github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/chrootarchive"
)

// NewLayer is a layer of an image that is being made.
type NewLayer struct {
	// Write writes its archive, uncompressed. It may be called twice, and writes
	// the same each time.
	Write func(io.Writer) error
	// DiffID is the digest of that archive, and ID the store's name of the layer,
	// when they are known from an earlier AddLayer.
	DiffID digest.Digest
	ID     string
}

// AddLayer stores a layer on top of another, unless it is there, and fills in
// its ID and DiffID. A layer that never gets into an image is removed like what
// an interrupted pull leaves.
func (s *Store) AddLayer(parent string, l *NewLayer) error {
	if l.ID != "" {
		if stored, err := s.store.Layer(l.ID); err == nil && stored.Parent == parent && l.ID == chainID(parent, l.DiffID) {
			return nil
		}
	}
	if l.DiffID != "" && s.hasLayer(parent, l) {
		return nil
	}
	err := s.stageLayer(parent, l)
	if errors.Is(err, cstorage.ErrNotSupported) {
		err = s.putLayer(parent, l)
	}
	if err != nil {
		return explain(fmt.Errorf("store a layer: %w", err))
	}
	return nil
}

// chainID is what containers/image calls a layer with the digest diffID on top
// of the layer parent. An image whose layers are called otherwise could not be
// loaded or pulled where it is stored already.
func chainID(parent string, diffID digest.Digest) string {
	if parent == "" {
		return diffID.Encoded()
	}
	return digest.FromString(parent + "+" + diffID.Encoded()).Encoded()
}

// hasLayer names l, whose DiffID is known, and reports whether it is stored.
func (s *Store) hasLayer(parent string, l *NewLayer) bool {
	l.ID = chainID(parent, l.DiffID)
	_, err := s.store.Layer(l.ID)
	return err == nil
}

// stageLayer unpacks the archive beside the layers and learns its digest on the
// way; then it makes that a layer.
func (s *Store) stageLayer(parent string, l *NewLayer) (err error) {
	options := &graphdriver.ApplyDiffWithDifferOpts{}
	staged, err := s.store.PrepareStagedLayer(options, differ{l.Write})
	if staged != nil && staged.Target != "" {
		defer func() { err = errors.Join(err, s.store.CleanupStagedLayer(staged)) }()
	}
	if err != nil {
		return err
	}
	l.DiffID = staged.UncompressedDigest
	if s.hasLayer(parent, l) {
		return nil
	}
	_, err = s.store.ApplyStagedLayer(cstorage.ApplyStagedLayerOptions{
		ID: l.ID, ParentLayer: parent, DiffOutput: staged, DiffOptions: options,
	})
	return err
}

// putLayer stores the layer with a driver that cannot stage. The layer must be
// called by its digest from the beginning, so it is written twice.
func (s *Store) putLayer(parent string, l *NewLayer) error {
	digester := digest.Canonical.Digester()
	if err := l.Write(digester.Hash()); err != nil {
		return err
	}
	l.DiffID = digester.Digest()
	if s.hasLayer(parent, l) {
		return nil
	}
	reader := stream(l.Write)
	_, _, err := s.store.PutLayer(l.ID, parent, nil, "", false, nil, reader)
	reader.CloseWithError(err)
	return err
}

// stream reads what write writes. Closing it makes write fail.
func stream(write func(io.Writer) error) *io.PipeReader {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(write(writer)) }()
	return reader
}

// differ unpacks a layer's archive, as [graphdriver.Differ].
type differ struct{ write func(io.Writer) error }

// ApplyDiff unpacks into dest and returns what there is to know about the
// archive, the parts of it that are not files included: with these it can be
// written again, byte for byte.
func (d differ) ApplyDiff(dest string, options *archive.TarOptions, o *graphdriver.DifferOptions) (out graphdriver.DriverWithDifferOutput, err error) {
	headers, err := os.CreateTemp(o.StagingDirectory, "headers-")
	if err != nil {
		return out, err
	}
	defer func() {
		if err != nil {
			headers.Close()
		}
	}()
	if err := os.Remove(headers.Name()); err != nil {
		return out, err
	}
	source := stream(d.write)
	defer source.Close()
	digester, size := digest.Canonical.Digester(), new(counter)
	tar, done, err := asm.NewInputTarStreamWithDone(
		io.TeeReader(source, io.MultiWriter(digester.Hash(), size)), split.NewJSONPacker(headers), split.NewDiscardFilePutter())
	if err != nil {
		return out, err
	}
	err = chrootarchive.UntarUncompressed(tar, dest, options)
	if err == nil {
		_, err = io.Copy(io.Discard, tar) // the padding at its end
	}
	tar.Close()
	if err = errors.Join(err, <-done); err != nil {
		return out, err
	}
	out.UncompressedDigest, out.Size, out.TarSplit = digester.Digest(), int64(*size), headers
	out.CompressedDigest = out.UncompressedDigest
	return out, nil
}

// Close is there for [graphdriver.Differ]; nothing is open after ApplyDiff.
func (differ) Close() error { return nil }

// counter counts what is written to it.
type counter int64

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}
