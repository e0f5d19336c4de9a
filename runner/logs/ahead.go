package logs

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sync"
)

// maxAhead bounds the files that a slow reader keeps on the disk by having
// them open after they were removed.
const maxAhead = 16

// ahead opens the files of a log as soon as they are there. So a reader that is
// slower than the container for a while finds them even when they were removed
// in the meantime: by rotation, or with the container, as with --rm.
type ahead struct {
	path   string
	follow bool // see AwaitReaders

	mu     sync.Mutex
	last   *part // the newest that was opened, nil if there was none yet
	queue  []upcoming
	closed bool
}

// upcoming is an open file that is to be read. gap tells that there may have
// been others before it.
type upcoming struct {
	file *part
	gap  bool
}

// openAll opens and takes all files that there are, oldest first.
func (a *ahead) openAll(ctx context.Context) ([]*part, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.open(ctx, math.MaxInt); err != nil {
		return nil, err
	}
	var files []*part
	for _, u := range a.queue {
		files = append(files, u.file)
	}
	a.queue = nil
	return files, nil
}

// look opens what has come. Having no folder any more is no error.
func (a *ahead) look(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.open(ctx, maxAhead)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// open puts the files after last into the queue, until it has limit. The
// caller holds mu.
func (a *ahead) open(ctx context.Context, limit int) error {
	for !a.closed && len(a.queue) < limit && (a.last == nil || !newest(a.path, a.last)) {
		next, gap, err := successor(ctx, a.path, a.last)
		if err != nil || next == nil {
			return err
		}
		if a.follow {
			setFollowed(next, true)
		}
		if a.follow && a.last != nil {
			setFollowed(a.last, false)
		}
		a.last, a.queue = next, append(a.queue, upcoming{next, gap})
	}
	return nil
}

// some reports whether there is something to take.
func (a *ahead) some() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue) > 0
}

// take returns the next file, of which there must be some. It is the caller's,
// who may close it once another one was taken.
func (a *ahead) take() upcoming {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.queue[0]
	a.queue = a.queue[1:]
	return next
}

// close closes what was not taken.
func (a *ahead) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, u := range a.queue {
		u.file.Close()
	}
}
