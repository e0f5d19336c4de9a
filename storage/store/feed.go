package store

import (
	"io"

	"github.com/opencontainers/go-digest"
)

// A feed carries what one function writes to one reader, and computes its digest on
// the way. Writing, reading and summing up go on at the same time, on blocks that
// all three share.
type feed struct {
	free    chan *block   // for the writer
	filled  chan *block   // for the reader
	summed  chan *block   // that the digest has taken in
	stop    chan struct{} // closed when nobody reads any more
	ended   chan struct{} // closed after the last block, with err set
	current *block        // of the reader
	rest    []byte        // of it
	sum     chan digest.Digest
	size    int64
	err     error
}

type block struct{ data []byte }

const (
	blockSize  = 512 << 10
	blockCount = 4
)

// newFeed begins to call write.
func newFeed(write func(io.Writer) error) *feed {
	f := &feed{
		free: make(chan *block, blockCount), filled: make(chan *block, blockCount), summed: make(chan *block, blockCount),
		stop: make(chan struct{}), ended: make(chan struct{}), sum: make(chan digest.Digest, 1),
	}
	for range blockCount {
		f.free <- &block{make([]byte, 0, blockSize)}
	}
	toSum := make(chan *block, blockCount)
	go f.fill(write, toSum)
	go func() {
		digester := digest.Canonical.Digester()
		for b := range toSum {
			digester.Hash().Write(b.data)
			f.summed <- b
		}
		f.sum <- digester.Digest()
	}()
	return f
}

// fill has write fill blocks, each for the reader and for the digest.
func (f *feed) fill(write func(io.Writer) error, toSum chan<- *block) {
	w := &filler{feed: f, toSum: toSum}
	f.err = write(w)
	if f.err == nil && w.now != nil {
		w.pass()
	}
	close(f.ended)
	close(f.filled)
	close(toSum)
}

// Read returns the error of write after all that came before it.
func (f *feed) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.current != nil {
			<-f.summed // blocks are summed up in the order in which they are read
			f.current.data = f.current.data[:0]
			f.free <- f.current
			f.current = nil
		}
		next, ok := <-f.filled
		if !ok {
			return 0, f.failure(io.EOF)
		}
		f.current, f.rest = next, next.data
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Close makes write fail, unless it has ended.
func (f *feed) Close() error {
	close(f.stop)
	return nil
}

// failure is why write has failed, or else err.
func (f *feed) failure(err error) error {
	select {
	case <-f.ended:
		if f.err != nil {
			return f.err
		}
	default:
	}
	return err
}

// digest is that of all that was written, once the reader has met its end.
func (f *feed) digest() digest.Digest { return <-f.sum }

// filler is the side of a feed that is written to.
type filler struct {
	*feed
	toSum chan<- *block
	now   *block
}

func (w *filler) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		if w.now == nil {
			select {
			case w.now = <-w.free:
			case <-w.stop:
				return len(data) - len(rest), io.ErrClosedPipe
			}
		}
		n := min(len(rest), blockSize-len(w.now.data))
		w.now.data, rest = append(w.now.data, rest[:n]...), rest[n:]
		if len(w.now.data) == blockSize {
			w.pass()
		}
	}
	return len(data), nil
}

// pass never waits: the channels have room for all blocks.
func (w *filler) pass() {
	w.size += int64(len(w.now.data))
	w.toSum <- w.now
	w.filled <- w.now
	w.now = nil
}
