package logs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sort"
)

// A compressed file is a row of gzip members (RFC 1952), one for each blockSize
// bytes of the log, so that any program for gzip reads all of it and a reader
// here unpacks only the blocks that it needs. An extra field in the header of
// each says how long the member and its block are, and which file was
// compressed.

const (
	blockSize  = 256 << 10
	extraAt    = 12 // in a member: the fixed part of the header and the length of the extra field
	extraSize  = 4 + 16
	headerSize = extraAt + extraSize
	maxMember  = 2 * blockSize // what cannot be compressed becomes a little longer
)

// header is what the extra field of a member says.
type header struct {
	size, length int64 // of the member and of its block, in bytes
	inode        uint64
}

func (h header) append(b []byte) []byte {
	b = append(b, 'r', 'l', 16, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.size))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.length))
	return binary.LittleEndian.AppendUint64(b, h.inode)
}

// readHeader reads the header of the member at off. The error is io.EOF at the
// end of the file.
func readHeader(f io.ReaderAt, off int64) (h header, err error) {
	b := make([]byte, headerSize)
	if n, err := f.ReadAt(b, off); n < len(b) {
		if n == 0 {
			return h, err
		}
		return h, errDamaged
	}
	extra := b[extraAt:]
	if b[0] != 0x1f || b[1] != 0x8b || !bytes.Equal(extra[:4], []byte{'r', 'l', 16, 0}) {
		return h, errDamaged
	}
	h.size, h.length = int64(binary.LittleEndian.Uint32(extra[4:])), int64(binary.LittleEndian.Uint32(extra[8:]))
	h.inode = binary.LittleEndian.Uint64(extra[12:])
	if h.size < headerSize || h.size > maxMember || h.length < 1 || h.length > blockSize {
		return h, errDamaged
	}
	return h, nil
}

// packed reads a compressed file as if it were not. It is for one goroutine.
type packed struct {
	f       *os.File
	members []member
	size    int64 // of all blocks
	damaged bool  // the rest of the file is not what was written

	last  int // of members, whose block is there; -1 at first
	block []byte
	unzip *gzip.Reader
}

// member is where a member and its block begin, and how long they are.
type member struct {
	at, from int64
	header
}

// openPacked looks through the headers. A file that ends within a member, or
// goes on with something else, has the members before.
func openPacked(f *os.File) (*packed, error) {
	p := &packed{f: f, last: -1}
	for at := int64(0); ; {
		h, err := readHeader(f, at)
		switch {
		case errors.Is(err, io.EOF):
			return p, nil
		case errors.Is(err, errDamaged):
			p.damaged = true
			return p, nil
		case err != nil:
			return nil, err
		}
		p.members = append(p.members, member{at, p.size, h})
		p.size += h.length
		at += h.size
	}
}

// ReadAt reads from the blocks.
func (p *packed) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && off < p.size {
		i := sort.Search(len(p.members), func(i int) bool { return p.members[i].from > off }) - 1
		p.unpack(i)
		m := copy(b[n:], p.block[off-p.members[i].from:])
		n, off = n+m, off+int64(m)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// unpack sets block to that of a member. In place of one that is damaged comes
// a line that is no entry, so that it counts as one and the others are read.
func (p *packed) unpack(i int) {
	if p.last == i {
		return
	}
	m := p.members[i]
	p.last, p.block = i, append(p.block[:0], make([]byte, m.length)...)
	if p.inflate(m) != nil {
		clear(p.block)
		p.block[0], p.block[len(p.block)-1] = '\n', '\n'
	}
}

// inflate unpacks a member into block, and checks its sum.
func (p *packed) inflate(m member) (err error) {
	from := io.NewSectionReader(p.f, m.at, m.size)
	if p.unzip == nil {
		p.unzip, err = gzip.NewReader(from)
	} else {
		err = p.unzip.Reset(from)
	}
	if err != nil {
		p.unzip = nil
		return err
	}
	if _, err := io.ReadFull(p.unzip, p.block); err != nil {
		return err
	}
	if n, err := p.unzip.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errDamaged
	}
	return nil
}
