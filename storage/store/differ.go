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

	tarsplit "github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"

	"github.com/rl-project/rl/internal/tree"
)

// differ makes the files of a layer, as [graphdriver.Differ].
type differ struct {
	*NewLayer
	// known is what there is to know about the archive, if the layer has Fill.
	known graphdriver.DriverWithDifferOutput
}

// ApplyDiff makes the files in dest and returns what there is to know about the
// archive, the parts of it that are not files included: with these it can be
// written again, byte for byte.
func (d differ) ApplyDiff(dest string, options *archive.TarOptions, o *graphdriver.DifferOptions) (out graphdriver.DriverWithDifferOutput, err error) {
	if options.ForceMask != nil || len(options.UIDMaps)+len(options.GIDMaps) > 0 {
		return out, fmt.Errorf("%w: a storage.conf that changes modes or owners", cstorage.ErrNotSupported)
	}
	if err := os.WriteFile(filepath.Join(o.StagingDirectory, ownMark), nil, 0o600); err != nil {
		return out, err
	}
	likeOverlayfs := options.WhiteoutFormat == archive.OverlayWhiteoutFormat
	if d.Fill != nil && likeOverlayfs {
		return d.known, d.Fill(dest)
	}
	headers, err := os.CreateTemp(o.StagingDirectory, "headers-")
	if err != nil {
		return out, err
	}
	if err := os.Remove(headers.Name()); err != nil {
		return out, errors.Join(err, headers.Close())
	}
	into, err := tree.Open(dest)
	if err != nil {
		return out, errors.Join(err, headers.Close())
	}
	defer into.Close()
	return d.read(headers, func(split *splitter) error {
		return into.UnpackEntries(split, tree.Target{
			Path: "/", Contents: true, Layer: true, Whiteouts: likeOverlayfs, Lenient: options.IgnoreChownErrors,
		})
	})
}

// read lets use read the archive, and packs what is not the contents of files into
// headers, which it closes after an error.
func (l *NewLayer) read(headers *os.File, use func(*splitter) error) (out graphdriver.DriverWithDifferOutput, err error) {
	source := newFeed(l.Write)
	defer source.Close()
	owners, kept := newOwners(), bufio.NewWriterSize(headers, 64<<10)
	split := newSplitter(source, tarsplit.NewJSONPacker(kept), owners)
	if err = use(split); err == nil {
		err = errors.Join(split.end(), kept.Flush())
	}
	if err != nil {
		return out, errors.Join(source.failure(err), headers.Close())
	}
	out.UIDs, out.GIDs = owners.lists()
	out.Size, out.TarSplit = source.size, headers
	out.UncompressedDigest = source.digest()
	out.CompressedDigest = out.UncompressedDigest
	return out, nil
}

// survey tells what there is to know about the archive of a layer.
func (s *Store) survey(l *NewLayer) (out graphdriver.DriverWithDifferOutput, err error) {
	tmp, err := s.openScratch()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, tmp.Close()) }()
	headers, err := os.Create(filepath.Join(tmp.Path, "headers"))
	if err != nil {
		return out, err
	}
	return l.read(headers, func(split *splitter) error {
		for {
			if _, err := split.Next(); err != nil {
				if err == io.EOF {
					err = nil
				}
				return err
			}
		}
	})
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
