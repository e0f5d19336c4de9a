package store

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	tarsplit "github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/rl-project/rl/internal/crc"
	"github.com/rl-project/rl/internal/tree"
)

// errChanged means that a file of a layer is not the one that was stored.
var errChanged = errors.New("a file is not what was stored")

// readLayer writes a layer's archive as it was when it came, uncompressed: its
// files, and between them what was kept of it.
func (s *Store) readLayer(ctx context.Context, id string, w io.Writer) (n int64, err error) {
	dir, _, err := s.layerFolder(id)
	if err != nil {
		return 0, err
	}
	kept, err := os.Open(filepath.Join(filepath.Dir(dir), "..", "..", s.driverName()+"-layers", id+".tar-split.gz"))
	if s.driverName() == vfs || errors.Is(err, os.ErrNotExist) {
		return s.diffLayer(ctx, id, w)
	}
	if err != nil {
		return 0, err
	}
	defer kept.Close()
	entries, err := gzip.NewReader(kept)
	if err != nil {
		return 0, fmt.Errorf("what is kept of layer %s: %w", shortID(id), err)
	}
	files, err := tree.Open(dir)
	if err != nil {
		return 0, err
	}
	defer files.Close()
	a := assembler{ctx, w, files, make([]byte, 256<<10), 0}
	err = a.write(tarsplit.NewJSONUnpacker(entries))
	return a.n, err
}

// diffLayer is readLayer for layers that the driver keeps in another way.
func (s *Store) diffLayer(ctx context.Context, id string, w io.Writer) (n int64, err error) {
	plain := archive.Uncompressed
	source, err := s.store.Diff("", id, &cstorage.DiffOptions{Compression: &plain})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{untilDone{ctx, source}}, make([]byte, 1<<20))
}

// assembler writes a layer's archive.
type assembler struct {
	ctx    context.Context
	w      io.Writer
	files  *tree.Root
	buffer []byte
	n      int64
}

func (a *assembler) write(entries tarsplit.Unpacker) error {
	for {
		e, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Type == tarsplit.SegmentType {
			_, err = a.w.Write(e.Payload)
			a.n += int64(len(e.Payload))
		} else if e.Size > 0 {
			err = a.file(e)
		}
		if err != nil {
			return err
		}
	}
}

// file writes a file's contents, which must have the sum that is kept of them.
func (a *assembler) file(e *tarsplit.Entry) error {
	f, err := a.files.OpenFile(e.GetName())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s is gone", errChanged, e.GetName())
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var sum uint64
	for left := e.Size; left > 0; {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(a.buffer[:min(left, int64(len(a.buffer)))])
		if n == 0 && errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s is shorter", errChanged, e.GetName())
		}
		if err != nil {
			return err
		}
		sum = crc.Update(sum, a.buffer[:n])
		if _, err := a.w.Write(a.buffer[:n]); err != nil {
			return err
		}
		left, a.n = left-int64(n), a.n+int64(n)
	}
	if string(binary.BigEndian.AppendUint64(nil, sum)) != string(e.Payload) {
		return fmt.Errorf("%w: %s has other contents", errChanged, e.GetName())
	}
	return nil
}
