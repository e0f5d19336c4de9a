package logs

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// follow gives out what is written to the newest file, nil if there is none
// yet, and to those that come after it.
func (r *reader) follow(s *source) error {
	if s != nil {
		s.from = s.file // to the end, wherever that will be
	}
	defer func() {
		if s != nil {
			s.file.Close()
		}
	}()
	for {
		// Both are asked before reading: what was written before the container
		// ended, or before the file was set aside, is then read.
		over, current := r.over(), s != nil && newest(r.path, s.file)
		if s != nil {
			if err := r.drain(s); err != nil {
				return err
			}
		}
		if !current {
			next, err := r.advance(s)
			if err != nil {
				return err
			}
			if next != nil {
				s = next
				continue
			}
		}
		if over {
			return nil
		}
		if err := r.wait(s); err != nil {
			return err
		}
	}
}

// over reports whether nothing more will be written.
func (r *reader) over() bool {
	select {
	case <-r.o.Done:
		return true
	default:
		return false
	}
}

// advance closes s, which is read to its end, and returns the next file. It
// returns nil, with s open, if there is none yet or the container was removed.
func (r *reader) advance(s *source) (*source, error) {
	var file *os.File
	if s != nil {
		file = s.file
	}
	next, gone, err := successor(r.ctx, r.path, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || next == nil {
		return nil, err
	}
	if s != nil {
		r.leave(s, true)
		s.file.Close()
	}
	if gone {
		r.note("output came faster than it was read: files may have been removed in between")
	}
	return newSource(next, next, 0), nil
}

// wait returns when there may be something to do. A file that is shorter than
// what was read of it was emptied by somebody, and is read again.
func (r *reader) wait(s *source) error {
	if s != nil {
		r.leave(s, false)
		if info, err := s.file.Stat(); err == nil && info.Size() < s.off {
			s.restart()
			return nil
		}
	}
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		timer := time.NewTimer(time.Until(r.o.Until))
		defer timer.Stop()
		until = timer.C
	}
	select {
	case <-r.changed:
		return nil
	case <-r.o.Done:
		return nil
	case <-until:
		return errUntil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}
