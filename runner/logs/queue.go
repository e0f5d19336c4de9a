package logs

import "sync"

// Modes of --log-opt mode.
const (
	blocking    = "blocking"
	nonBlocking = "non-blocking"
)

// queue is between a container and its log with mode=non-blocking: a slow disk
// does not hold the container up, and what finds the queue full is dropped.
type queue struct {
	mu     sync.Mutex
	filled *sync.Cond // there is something, or it is closed
	chunks []waiting
	size   int // bytes in chunks
	limit  int
	closed bool
	done   chan struct{} // closed when everything has been written
}

type waiting struct {
	to   *LineWriter
	data []byte
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, done: make(chan struct{})}
	q.filled = sync.NewCond(&q.mu)
	go q.drain()
	return q
}

// put takes a copy of p, and reports whether there was room for it. There
// always is in an empty queue.
func (q *queue) put(to *LineWriter, p []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size > 0 && q.size+len(p) > q.limit {
		return false
	}
	q.chunks = append(q.chunks, waiting{to, append([]byte(nil), p...)})
	q.size += len(p)
	q.filled.Signal()
	return true
}

// drain writes what comes until the queue is closed and empty. A chunk counts
// until it is written.
func (q *queue) drain() {
	defer close(q.done)
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.chunks) == 0 {
			if q.closed {
				return
			}
			q.filled.Wait()
		}
		c := q.chunks[0]
		q.chunks = q.chunks[1:]
		q.mu.Unlock()
		_, _ = c.to.store(c.data) // it cannot fail before Close
		q.mu.Lock()
		q.size -= len(c.data)
	}
}

// close returns when everything has been written.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.filled.Signal()
	q.mu.Unlock()
	<-q.done
}
