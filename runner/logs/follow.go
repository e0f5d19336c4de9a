package logs

import "time"

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
		over := r.over()
		if err := r.ahead.look(r.ctx); err != nil {
			return err
		}
		more := r.ahead.some()
		if s != nil {
			if err := r.drain(s); err != nil {
				return err
			}
		}
		switch {
		case more:
			s = r.advance(s, r.ahead.take())
		case over:
			return nil
		default:
			if err := r.wait(s); err != nil {
				return err
			}
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

// advance goes on to the next file from s, which is read to its end.
func (r *reader) advance(s *source, next upcoming) *source {
	if s != nil {
		r.leave(s, true)
		s.file.Close()
	}
	if next.gap {
		r.note("output came faster than it was read: files may have been removed in between")
	}
	return newSource(next.file, next.file, 0)
}

// wait returns when there may be something to do. A file that is shorter than
// what was read of it was emptied by somebody, and is read again.
func (r *reader) wait(s *source) error {
	if s != nil {
		r.leave(s, false)
		if size, err := s.file.size(); err == nil && size < s.off {
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
