package store

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	splittar "github.com/vbatts/tar-split/archive/tar"
	tarsplit "github.com/vbatts/tar-split/tar/storage"

	"github.com/rl-project/rl/internal/crc"
)

// splitter reads a layer's archive, once, for whoever unpacks it, and packs on the
// way all of it that is not the contents of files: with these it can be written
// again, byte for byte.
type splitter struct {
	source io.Reader
	tar    *splittar.Reader
	packed tarsplit.Packer
	owners *owners
	file   *splittar.Header // the current one
	sum    uint64           // of its contents, as far as they were read
}

func newSplitter(source io.Reader, packed tarsplit.Packer, owners *owners) *splitter {
	s := &splitter{source: source, tar: splittar.NewReader(source), packed: packed, owners: owners}
	s.tar.RawAccounting = true
	return s
}

// Next packs what is left of the current file and what lies before the next one.
func (s *splitter) Next() (*tar.Header, error) {
	if err := s.finish(); err != nil {
		return nil, err
	}
	h, err := s.tar.Next()
	if err != nil && err != io.EOF {
		return nil, err
	}
	// At the end too: that is marked by blocks of zeros.
	if failed := s.raw(); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	s.file, s.sum = h, 0
	if isSparse(h) {
		return nil, fmt.Errorf("%w: %s is packed as a sparse file, which an image cannot keep: write the archive without --sparse", ErrArchive, h.Name)
	}
	plain := header(h)
	s.owners.add(plain)
	return plain, nil
}

// isSparse reports whether an entry's contents are not in the archive as they are.
func isSparse(h *splittar.Header) bool {
	if h.Typeflag == splittar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// Read reads the contents of the current file.
func (s *splitter) Read(b []byte) (int, error) {
	n, err := s.tar.Read(b)
	s.sum = crc.Update(s.sum, b[:n])
	return n, err
}

func (s *splitter) finish() error {
	if s.file == nil {
		return nil
	}
	e := tarsplit.Entry{Type: tarsplit.FileType, Size: s.file.Size}
	if e.Size > 0 {
		if _, err := io.Copy(io.Discard, struct{ io.Reader }{s}); err != nil {
			return err
		}
		e.Payload = binary.BigEndian.AppendUint64(nil, s.sum)
	}
	e.SetName(s.file.Name)
	s.file = nil
	if _, err := s.packed.AddEntry(e); err != nil {
		return err
	}
	return s.raw()
}

// raw packs what the reader has passed over.
func (s *splitter) raw() error {
	return s.segment(s.tar.RawBytes())
}

func (s *splitter) segment(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	_, err := s.packed.AddEntry(tarsplit.Entry{Type: tarsplit.SegmentType, Payload: data})
	return err
}

// end packs what follows the last entry.
func (s *splitter) end() error {
	buffer := make([]byte, 1<<20)
	for {
		n, err := s.source.Read(buffer)
		if err := s.segment(buffer[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// header is h for the standard library.
func header(h *splittar.Header) *tar.Header {
	return &tar.Header{
		Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid,
		Uname: h.Uname, Gname: h.Gname, ModTime: h.ModTime, Devmajor: h.Devmajor, Devminor: h.Devminor, PAXRecords: h.PAXRecords,
	}
}
