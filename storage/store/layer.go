package store

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	tarsplit "github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/tree"
)

// NewLayer is a layer of an image that is being made.
type NewLayer struct {
	// Write writes its archive, uncompressed.
	Write func(io.Writer) error
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

// stageLayer unpacks the archive beside the layers and learns its digest on the
// way; then it makes that a layer.
func (s *Store) stageLayer(parent string, l *NewLayer) (err error) {
	lock, err := s.lockStaging(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer lock.Close()
	options := &graphdriver.ApplyDiffWithDifferOpts{}
	staged, err := s.store.PrepareStagedLayer(options, differ{l.Write})
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

// differ unpacks a layer's archive, as [graphdriver.Differ].
type differ struct{ write func(io.Writer) error }

// ApplyDiff unpacks into dest and returns what there is to know about the
// archive, the parts of it that are not files included: with these it can be
// written again, byte for byte.
func (d differ) ApplyDiff(dest string, options *archive.TarOptions, o *graphdriver.DifferOptions) (out graphdriver.DriverWithDifferOutput, err error) {
	if options.ForceMask != nil || len(options.UIDMaps)+len(options.GIDMaps) > 0 {
		return out, fmt.Errorf("%w: a storage.conf that changes modes or owners", cstorage.ErrNotSupported)
	}
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
	source := newFeed(d.write)
	defer source.Close()
	owners, kept := newOwners(), bufio.NewWriterSize(headers, 64<<10)
	split := newSplitter(source, tarsplit.NewJSONPacker(kept), owners)
	into, err := tree.Open(dest)
	if err != nil {
		return out, err
	}
	err = into.UnpackEntries(split, tree.Target{
		Path: "/", Contents: true, Layer: true, Whiteouts: options.WhiteoutFormat == archive.OverlayWhiteoutFormat, Lenient: options.IgnoreChownErrors,
	})
	if err == nil {
		err = split.end()
	}
	if err = errors.Join(err, into.Close(), kept.Flush()); err != nil {
		return out, source.failure(err)
	}
	out.UIDs, out.GIDs = owners.lists()
	out.Size, out.TarSplit = source.size, headers
	out.UncompressedDigest = source.digest()
	out.CompressedDigest = out.UncompressedDigest
	return out, nil
}

// Close is there for [graphdriver.Differ]; nothing is open after ApplyDiff.
func (differ) Close() error { return nil }

// owners are the ids of a layer's files, which the store keeps with the layer.
type owners struct{ uids, gids map[uint32]bool }

func newOwners() *owners { return &owners{map[uint32]bool{}, map[uint32]bool{}} }

func (o *owners) add(h *tar.Header) {
	if !strings.HasPrefix(path.Base(h.Name), archive.WhiteoutPrefix) {
		o.uids[uint32(h.Uid)], o.gids[uint32(h.Gid)] = true, true
	}
}

func (o *owners) lists() (uids, gids []uint32) {
	return slices.Sorted(maps.Keys(o.uids)), slices.Sorted(maps.Keys(o.gids))
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}
