package logs

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// A backward gives out the lines of a file from the last to the first.
type backward struct {
	from io.ReaderAt
	buf  []byte // of the file, from off on, up to what was given out
	off  int64
	step int64 // how much to read next
	long bool  // buf is the end of a line that is too long
}

// newBackward begins at the end of the last whole line before size.
func newBackward(from io.ReaderAt, size int64) (*backward, error) {
	b := &backward{from: from, off: size, step: 8 << 10}
	last := make([]byte, 1)
	if size == 0 {
		return b, nil
	}
	if _, err := from.ReadAt(last, size-1); err != nil {
		return nil, err
	}
	if last[0] == '\n' {
		return b, nil
	}
	_, err := b.line()
	return b, err
}

// end returns where in the file the line that line returned last begins.
func (b *backward) end() int64 { return b.off + int64(len(b.buf)) }

// line returns the line before the one that it returned last, without its
// newline. A line that is too long is empty; io.EOF means there are no more.
func (b *backward) line() ([]byte, error) {
	for b.end() > 0 {
		inner := b.buf
		if !b.long && len(inner) > 0 {
			inner = inner[:len(inner)-1] // its own newline
		}
		n := bytes.LastIndexByte(inner, '\n')
		if n >= 0 || b.off == 0 {
			line := inner[n+1:]
			if b.long {
				b.long, line = false, nil
			}
			b.buf = b.buf[:n+1]
			return line, nil
		}
		if len(b.buf) > maxLine {
			b.long, b.buf = true, b.buf[:0]
		}
		if err := b.grow(); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// grow puts more of the file in front of buf.
func (b *backward) grow() error {
	step := min(b.step, b.off)
	more := make([]byte, step, step+int64(len(b.buf)))
	if n, err := b.from.ReadAt(more, b.off-step); int64(n) < step {
		return err
	}
	b.buf, b.off = append(more, b.buf...), b.off-step
	b.step = min(2*b.step, readSize)
	return nil
}

// A tailCount finds out, from the last entry to the first, where the last
// lines begin. A line may be in pieces.
type tailCount struct {
	left int
	seen [2]bool // whether there was a later entry of that stream
}

// before reports whether e is from before the lines that were asked for.
func (c *tailCount) before(e Entry) bool {
	ends := bytes.HasSuffix(e.Text, []byte{'\n'}) || !c.seen[e.Stream]
	c.seen[e.Stream] = true
	if !ends {
		return false
	}
	c.left--
	return c.left < 0
}

// seek returns where in the file its last lines begin, leaving out entries
// later than until if that is not zero. It is 0 if all of it counts.
func (c *tailCount) seek(from io.ReaderAt, size int64, until time.Time, d *decoder) (int64, error) {
	b, err := newBackward(from, size)
	for err == nil {
		var line []byte
		begin := b.end()
		if line, err = b.line(); err != nil {
			break
		}
		e, damaged := d.decode(line)
		if damaged != nil || !until.IsZero() && e.Time.After(until) {
			continue
		}
		if c.before(e) {
			return begin, nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return 0, err
}
