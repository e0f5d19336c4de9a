package logs

import (
	"errors"
	"io"
	"time"
)

// searchWindow is how much of a file is read from end to end rather than
// searched, in bytes.
const searchWindow = readSize

// seekTime returns two starts of lines: no line before low has that time or a
// later one, and none from end on an earlier one, provided that the clock never
// went back. They are not far from each other.
func seekTime(from io.ReaderAt, size int64, t time.Time, d *decoder) (low, end int64, err error) {
	high := size
	end = size
	for high-low > searchWindow {
		middle := low + (high-low)/2
		at, when, err := entryAfter(from, middle, high, d)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		if err == nil && when.Before(t) {
			low = at
			continue
		}
		if high = middle; err == nil {
			end = at
		}
	}
	return low, end, nil
}

// entryAfter finds the first entry that begins after off and before end. The
// error is io.EOF if there is none.
func entryAfter(from io.ReaderAt, off, end int64, d *decoder) (at int64, when time.Time, err error) {
	s := newSource(nil, from, off)
	if _, err := s.line(); err != nil {
		return 0, when, err
	}
	for s.pos() < end {
		at = s.pos()
		line, err := s.line()
		if err != nil {
			return 0, when, err
		}
		if e, err := d.decode(line); err == nil {
			return at, e.Time, nil
		}
	}
	return 0, when, io.EOF
}
