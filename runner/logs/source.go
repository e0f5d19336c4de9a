package logs

import (
	"bytes"
	"io"
)

const (
	readSize = 64 << 10
	// maxLine is the longest line of a file that is looked at, in bytes. An
	// entry of maxPiece bytes that are not UTF-8 has an eighth of it.
	maxLine = 1 << 20
)

// A source reads lines of one file from a place onwards. The file may grow.
type source struct {
	from io.ReaderAt
	file *part // that from reads

	buf  []byte // what was read
	next int    // of buf, the start of the next line
	off  int64  // in the file, of the end of buf
	skip bool   // what comes is the rest of a line that is too long
}

func newSource(f *part, from io.ReaderAt, off int64) *source {
	return &source{file: f, from: from, off: off}
}

// pos returns where in the file the next line begins.
func (s *source) pos() int64 { return s.off - int64(len(s.buf)-s.next) }

// left reports whether the file ended within a line.
func (s *source) left() bool { return s.skip || len(s.buf) > s.next }

// line returns the next line without its newline, valid until the next call.
// io.EOF means that there is no whole line yet. A line that is too long is
// empty.
func (s *source) line() ([]byte, error) {
	for searched := 0; ; {
		unread := s.buf[s.next:]
		if n := bytes.IndexByte(unread[searched:], '\n'); n >= 0 {
			line := unread[:searched+n]
			s.next += len(line) + 1
			if s.skip {
				s.skip, line = false, nil
			}
			return line, nil
		}
		if len(unread) >= maxLine {
			s.skip, s.next, unread = true, len(s.buf), nil
		}
		searched = len(unread)
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads on, after moving what was not given out to the front.
func (s *source) fill() error {
	n := copy(s.buf, s.buf[s.next:])
	s.buf, s.next = s.buf[:n], 0
	if cap(s.buf)-n < readSize {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)+readSize), s.buf...)
	}
	m, err := s.from.ReadAt(s.buf[n:n+readSize], s.off)
	s.buf, s.off = s.buf[:n+m], s.off+int64(m)
	if m > 0 {
		return nil
	}
	return err
}

// restart goes back to the start of a file that somebody emptied.
func (s *source) restart() { s.buf, s.next, s.off, s.skip = s.buf[:0], 0, 0, false }
