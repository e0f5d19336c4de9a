package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ReadOptions say which events are wanted.
type ReadOptions struct {
	// Since leaves out what happened before; zero is now: nothing that is
	// stored, only what will happen.
	Since time.Time
	// Until leaves out what happens at or after it, and ends reading then; zero
	// is never.
	Until time.Time
	// Match chooses events; nil takes all.
	Match func(Event) bool
}

// Read gives out the events that are stored, in the order in which they
// happened, and then those that happen, until o.Until, until ctx ends (which is
// no error), or until give returns an error. It never writes. The caller may be
// in any namespace.
func (l Log) Read(ctx context.Context, o ReadOptions, give func(Event) error) error {
	if o.Since.IsZero() {
		o.Since = time.Now()
	}
	if !o.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, o.Until)
		defer cancel()
	}
	r := &reader{log: l, options: o, watch: newWatch()}
	defer r.close()
	for {
		// Watched before they are read: what is written in between is read next.
		r.watch.arm(l.folder)
		if err := r.round(give); err != nil {
			return err
		}
		if !r.watch.wait(ctx) {
			// What was written up to the deadline may not have been told yet.
			return r.round(give)
		}
	}
}

// reader reads all files of the record at once: a slow writer may still add to
// one that was set aside.
type reader struct {
	log     Log
	options ReadOptions
	files   []*source
	watch   *watch
}

// source is a file that is being read.
type source struct {
	file *os.File
	info fs.FileInfo
	off  int64
	rest []byte // the beginning of a line whose end was not there yet
	gone bool   // it was not in the folder when last looked at
}

func (r *reader) close() {
	for _, s := range r.files {
		s.file.Close()
	}
	r.watch.close()
}

// round gives out what has come since the last one.
func (r *reader) round(give func(Event) error) error {
	if err := r.find(); err != nil {
		return err
	}
	var found []Event
	for _, s := range r.files {
		err := s.drain(func(line []byte) {
			if e, ok := r.parse(line); ok {
				found = append(found, e)
			}
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(found, func(a, b Event) int { return int(a.TimeNano - b.TimeNano) })
	for _, e := range found {
		if err := give(e); err != nil {
			return err
		}
	}
	return nil
}

// find opens the files that are new, and closes those that were gone already
// in the last round, so that each is read to its end.
func (r *reader) find() error {
	r.files = slices.DeleteFunc(r.files, func(s *source) bool {
		if s.gone {
			s.file.Close()
		}
		return s.gone
	})
	for _, s := range r.files {
		s.gone = true
	}
	// The newest first: before the others are listed it may become one of them.
	if err := r.open(newest); err != nil {
		return err
	}
	for _, name := range r.log.old() {
		if err := r.open(name); err != nil {
			return err
		}
	}
	return nil
}

// open adds a file to those that are read, if it is there and not one of them.
func (r *reader) open(name string) error {
	path := filepath.Join(r.log.folder, name)
	info, err := os.Stat(path)
	if err != nil {
		return unlessMissing(err)
	}
	for _, s := range r.files {
		if os.SameFile(s.info, info) {
			s.gone = false
			return nil
		}
	}
	if info.ModTime().Before(r.options.Since.Add(-clockSlack)) && name != newest {
		return nil // nothing in it is new enough
	}
	f, err := os.Open(path)
	if err != nil {
		return unlessMissing(err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return err
	}
	r.files = append(r.files, &source{file: f, info: info})
	return nil
}

// unlessMissing is for a file that was set aside or removed meanwhile.
func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// clockSlack is how much the time of a file may be behind that of what was
// written to it: the kernel takes it from the last tick.
const clockSlack = time.Second

// drain reads what was added to the file.
func (s *source) drain(line func([]byte)) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.file.ReadAt(buffer, s.off)
		s.off += int64(n)
		s.split(buffer[:n], line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// split gives out the lines that data completes.
func (s *source) split(data []byte, line func([]byte)) {
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			break
		}
		if whole := append(s.rest, data[:i]...); len(whole) > 0 {
			line(whole)
		}
		s.rest, data = s.rest[:0], data[i+1:]
	}
	if len(s.rest)+len(data) <= fileLimit {
		s.rest = append(s.rest, data...)
	}
}

// parse reads a line and reports whether it is an event that is wanted.
func (r *reader) parse(line []byte) (e Event, wanted bool) {
	if json.Unmarshal(line, &e) != nil || e.Type == "" || e.Action == "" {
		return e, false
	}
	if e.TimeNano < r.options.Since.UnixNano() || !r.options.Until.IsZero() && e.TimeNano >= r.options.Until.UnixNano() {
		return e, false
	}
	e.complete()
	return e, r.options.Match == nil || r.options.Match(e)
}
