package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// All is the Tail that leaves nothing out.
const All = -1

// ReadOptions say what Read gives out.
type ReadOptions struct {
	// Tail is how many of the last lines to give out; negative (All) is all of
	// them. Those before Since and after Until do not count.
	Tail int
	// Since and Until are the times of the first and the last entry; zero is
	// no bound. Both believe that the clock never went back.
	Since, Until time.Time

	// Follow waits for more, until Done is closed and all that was written
	// before is given out, Until has passed, or the context ends.
	Follow bool
	Done   <-chan struct{} // nil never closes

	// Note is told in words what had to be left out. It may be nil.
	Note func(string)
}

// errUntil ends reading: what follows is after Until.
var errUntil = errors.New("after the last entry asked for")

// Read gives out the entries of the log at path, oldest first, each once, also
// while the log is written and rotated. An entry is valid until emit returns;
// an error of emit ends Read and is returned. It never writes, and is meant for
// the host's side. A log that does not exist yet is empty, its folder must be
// there.
//
// A reader that is slower than the container for so long that files are
// removed before it opened them gets the rest, and a note.
func Read(ctx context.Context, path string, o ReadOptions, emit func(Entry) error) error {
	r := &reader{ctx: ctx, path: path, o: o, emit: emit, changed: make(chan struct{}, 1)}
	r.ahead.path, r.ahead.follow = path, o.Follow
	if o.Follow {
		defer r.watch()()
	}
	defer r.ahead.close()
	files, err := r.ahead.openAll(ctx)
	if err != nil {
		return err
	}
	defer closeAll(files)
	if err = r.read(files); errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// reader is one call of Read.
type reader struct {
	ctx     context.Context
	path    string
	o       ReadOptions
	emit    func(Entry) error
	changed chan struct{} // holds one change that was not looked at yet
	ahead   ahead
	decoder decoder
	damaged int
}

// watch makes r.changed tell of changes, as well as the machine can.
func (r *reader) watch() (stop func()) {
	changed := func() {
		select {
		case r.changed <- struct{}{}:
		default:
		}
		// The reader may be busy, or wait for whoever takes what it emits. An
		// error comes again when it looks itself.
		_ = r.ahead.look(r.ctx)
	}
	stop, err := watch(filepath.Dir(r.path), changed)
	if err != nil {
		r.note(fmt.Sprintf("cannot be told of new output (%v): looking for it every %v", err, pollEvery))
		stop = poll(changed)
	}
	return stop
}

func (r *reader) note(text string) {
	if r.o.Note != nil {
		r.o.Note(text)
	}
}

// read gives out what is in files and, if asked to, what comes.
func (r *reader) read(files []*part) error {
	sources, err := r.begin(files)
	if err != nil {
		return err
	}
	var last *source
	if n := len(sources); r.o.Follow && n > 0 {
		sources, last = sources[:n-1], sources[n-1]
	}
	for _, s := range sources {
		if err := r.drain(s); err != nil {
			return err
		}
		r.leave(s, s.file != files[len(files)-1])
		s.file.Close() // it may be removed already and still fill the disk
	}
	if !r.o.Follow {
		return nil
	}
	return r.follow(last)
}

// begin finds the places to read from. Of the newest file, only what is there
// now is read, or a busy container would keep the reader forever.
func (r *reader) begin(files []*part) ([]*source, error) {
	sources := make([]*source, len(files))
	count := tailCount{left: r.o.Tail}
	for i := len(files) - 1; i >= 0; i-- {
		size, err := files[i].size()
		if err != nil {
			return nil, err
		}
		off, err := r.offset(files[i], size, &count)
		if err != nil {
			return nil, err
		}
		sources[i] = newSource(files[i], io.NewSectionReader(files[i], 0, size), off)
		if count.left < 0 && r.o.Tail >= 0 {
			return sources[i:], nil
		}
	}
	return sources, nil
}

// offset returns where in a file of that size to begin.
func (r *reader) offset(f *part, size int64, count *tailCount) (int64, error) {
	if r.o.Tail >= 0 && !r.o.Until.IsZero() {
		_, end, err := seekTime(f, size, r.o.Until.Add(1), &r.decoder)
		if err != nil {
			return 0, err
		}
		size = end
	}
	if r.o.Tail >= 0 {
		return count.seek(f, size, r.o.Until, &r.decoder)
	}
	if !r.o.Since.IsZero() {
		low, _, err := seekTime(f, size, r.o.Since, &r.decoder)
		return low, err
	}
	return 0, nil
}

// drain gives out the whole lines that s has now.
func (r *reader) drain(s *source) error {
	for r.ctx.Err() == nil {
		line, err := s.line()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := r.decoder.decode(line)
		if err != nil {
			r.damaged++
			continue
		}
		if err := r.pass(e); err != nil {
			return err
		}
	}
	return r.ctx.Err()
}

// pass gives out e if it is of the times that were asked for.
func (r *reader) pass(e Entry) error {
	switch {
	case e.Time.Before(r.o.Since):
		return nil
	case !r.o.Until.IsZero() && e.Time.After(r.o.Until):
		return errUntil
	}
	return r.emit(e)
}

// leave reports what was wrong with a file. If it is complete, a last line
// without an end is damaged; otherwise that may still be written.
func (r *reader) leave(s *source, complete bool) {
	if complete && s.left() {
		r.damaged++
	}
	if p := s.file.packed; p != nil && p.damaged {
		r.note("the end of " + s.file.Name() + " is damaged and was left out")
	}
	if r.damaged > 0 {
		r.note(fmt.Sprintf("%d damaged lines of %s were left out", r.damaged, r.path))
	}
	r.damaged = 0
}
