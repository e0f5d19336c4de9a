package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"golang.org/x/sys/unix"
)

// NewLayer is a layer of an image that is being made.
type NewLayer struct {
	// Write writes its archive, uncompressed.
	Write func(io.Writer) error
	// Fill, if not nil, makes in the empty folder dir what unpacking the archive
	// would, as overlayfs has it, or puts such a folder in its place. Write is then
	// called before, and writes the same each time.
	Fill func(dir string) error
	// DiffID is the digest of that archive, and ID the store's name of the layer,
	// when they are known from an earlier AddLayer.
	DiffID digest.Digest
	ID     string
	// Want, if it is known, is what DiffID must become, and Blob the digest of the
	// compressed archive that was written.
	Want, Blob digest.Digest

	size int64 // of the archive, when it has been measured
}

// AddLayer stores a layer on top of another, unless it is there, and fills in
// its ID and DiffID. A layer that never gets into an image is removed like what
// an interrupted pull leaves.
func (s *Store) AddLayer(parent string, l *NewLayer) error {
	if s.unwritable != nil {
		return s.unwritable
	}
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

func (l *NewLayer) check() error {
	if l.Want != "" && l.Want != l.DiffID {
		return fmt.Errorf("%w: a layer's contents have the digest %s, not %s", ErrArchive, l.DiffID, l.Want)
	}
	return nil
}

// hasLayer names l, whose DiffID is known, and reports whether it is stored.
func (s *Store) hasLayer(parent string, l *NewLayer) bool {
	l.ID = chainID(parent, l.DiffID)
	_, err := s.store.Layer(l.ID)
	return err == nil
}

// stageLayer makes the files beside the layers and learns the digest on the
// way; then it makes that a layer.
func (s *Store) stageLayer(parent string, l *NewLayer) (err error) {
	lock, err := s.lockStaging(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer lock.Close()
	options := &graphdriver.ApplyDiffWithDifferOpts{}
	d := differ{NewLayer: l}
	if l.Fill != nil {
		if d.known, err = s.survey(l); err != nil {
			return err
		}
		if l.DiffID = d.known.UncompressedDigest; s.hasLayer(parent, l) {
			return d.known.TarSplit.Close()
		}
	}
	staged, err := s.store.PrepareStagedLayer(options, d)
	if staged != nil && staged.Target != "" {
		defer func() { err = errors.Join(err, s.store.CleanupStagedLayer(staged)) }()
	}
	if err != nil {
		return err
	}
	l.DiffID = staged.UncompressedDigest
	if l.Blob != "" {
		staged.CompressedDigest = l.Blob
	}
	if err := l.check(); err != nil || s.hasLayer(parent, l) {
		return err
	}
	_, err = s.store.ApplyStagedLayer(cstorage.ApplyStagedLayerOptions{
		ID: l.ID, ParentLayer: parent, DiffOutput: staged, DiffOptions: options,
	})
	return err
}

// putLayer stores the layer with a driver that cannot stage: there it must be
// called by its digest from the beginning.
func (s *Store) putLayer(parent string, l *NewLayer) (err error) {
	tmp, err := s.openScratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	f, err := os.Create(filepath.Join(tmp.Path, "layer.tar"))
	if err != nil {
		return err
	}
	defer f.Close()
	digester := digest.Canonical.Digester()
	if err := l.Write(io.MultiWriter(f, digester.Hash())); err != nil {
		return err
	}
	l.DiffID = digester.Digest()
	if err := l.check(); err != nil || s.hasLayer(parent, l) {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, _, err = s.store.PutLayer(l.ID, parent, nil, "", false, nil, f)
	return err
}
