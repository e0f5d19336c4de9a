package logs

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch is how many bytes are collected before they are written. More is
// not faster, and it stays allocated in the monitor of a busy container.
const maxBatch = 256 << 10

// Writer keeps the output of one container. It is for one process: the
// monitor. Its streams may be used at the same time; what is written comes
// into the log in the order of the calls.
type Writer struct {
	mu      sync.Mutex
	file    *file    // nil for other drivers and after Close
	journal *journal // of the driver journald, nil after Close
	streams [2]LineWriter
	attrs   []byte // in each entry
	now     func() time.Time
	report  func(error)
	closed  bool
	queue   *queue // nil with mode=blocking

	batch   []byte // whole entries and, unless it is empty, entryBegin
	limit   int    // of batch, so that a file ends soon after its full size
	failing bool
	lost    int64
	dropped atomic.Int64 // by the queue
}

// Open goes on with the log at path, or begins it. It is called in the user
// namespace.
//
// Afterwards, no failure of the disk gets in the way of the container: lines
// that cannot be stored are dropped and counted (see Lost), and logging goes
// on when there is space again. At the first such failure, and at the first one
// after each recovery, report is called with the reason. It must not call the
// Writer.
func Open(path string, o Options, report func(error)) (*Writer, error) {
	o = o.complete()
	w := &Writer{now: time.Now, report: report}
	w.streams = [2]LineWriter{{w: w, stream: Stdout}, {w: w, stream: Stderr}}
	if o.Driver == None {
		return w, nil
	}
	var err error
	if w.attrs, err = encodeAttrs(o.Attrs); err != nil {
		return nil, err
	}
	if o.Driver == Journald {
		if w.journal, err = dialJournal(cmp.Or(o.Socket, journalSocket), o.journalFields()); err != nil {
			return nil, fmt.Errorf("journald does not run here (%w): choose --log-driver json-file", err)
		}
		w.startQueue(o)
		return w, nil
	}
	w.file = &file{path: path, size: o.MaxSize, keep: o.MaxFile, pack: o.Compress}
	if err := w.file.open(); err != nil {
		return nil, err
	}
	w.file.startPacker()
	w.plan()
	w.startQueue(o)
	return w, nil
}

func (w *Writer) startQueue(o Options) {
	if o.Mode == nonBlocking {
		w.queue = newQueue(int(o.MaxBuffer))
	}
}

// Stream returns what logs that stream.
func (w *Writer) Stream(s Stream) *LineWriter { return &w.streams[s] }

// Lost returns how many lines, or pieces of lines, could not be stored.
func (w *Writer) Lost() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost + w.dropped.Load()
}

// Close stores the unfinished lines of both streams and closes the file.
func (w *Writer) Close() error {
	if w.queue != nil {
		w.queue.close()
	}
	for i := range w.streams {
		w.streams[i].Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.journal != nil {
		w.journal.conn.Close()
		w.journal = nil
	}
	if w.file == nil {
		return nil
	}
	err := w.file.end()
	w.file, w.batch = nil, nil
	return err
}

// add puts an entry into the batch, and the batch into the file if it is full.
func (w *Writer) add(text, trailer []byte) {
	w.begin()
	w.batch = appendEntry(w.batch, text, trailer)
	w.end()
}

// begin readies the batch for the text of an entry.
func (w *Writer) begin() {
	if len(w.batch) == 0 {
		w.batch = append(w.batch, entryBegin...)
	}
}

// end stores the batch if it is full.
func (w *Writer) end() {
	if len(w.batch) >= w.limit {
		w.flush()
	}
}

// flush stores the batch, or drops it.
func (w *Writer) flush() {
	if len(w.batch) == 0 {
		return
	}
	lines := w.batch[:len(w.batch)-len(entryBegin)]
	n, err := w.file.write(lines)
	w.note(err, bytes.Count(lines[n:], []byte{'\n'}))
	w.batch = w.batch[:0]
	w.plan()
}

// note counts the lines that an error lost.
func (w *Writer) note(err error, lines int) {
	if err != nil {
		w.lost += int64(lines)
		if !w.failing && w.report != nil {
			w.report(err)
		}
	}
	w.failing = err != nil
}

// drop counts lines that found the queue full. It waits for nobody who writes.
func (w *Writer) drop(p []byte) {
	lines := int64(max(1, bytes.Count(p, []byte{'\n'})))
	if w.dropped.Add(lines) == lines && w.report != nil {
		w.report(errDropped)
	}
}

// plan sets how large the next batch may become.
func (w *Writer) plan() { w.limit = int(min(maxBatch, w.file.room())) }

// LineWriter is an io.Writer for one stream of a container. Its memory is a
// partial line.
type LineWriter struct {
	w       *Writer
	stream  Stream
	pending []byte // of a line, shorter than maxPiece
	trailer []byte
}

// Write logs p. The end of p that is not a whole line waits for the rest of
// the line, maxPiece bytes, or Close. The error is fs.ErrClosed after Close of
// the Writer, else nil: see Open.
func (l *LineWriter) Write(p []byte) (int, error) {
	if q := l.w.queue; q != nil {
		if !q.put(l, p) {
			l.w.drop(p)
		}
		return len(p), nil
	}
	return l.store(p)
}

// store is Write without a queue.
func (l *LineWriter) store(p []byte) (int, error) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, fs.ErrClosed
	}
	if w.file == nil && w.journal == nil {
		return len(p), nil
	}
	l.trailer = appendTrailer(l.trailer[:0], l.stream, w.attrs, w.now())
	for rest := p; len(rest) > 0; {
		rest = rest[l.takePlain(rest):]
		rest = rest[l.take(rest):]
	}
	w.flush()
	return len(p), nil
}

// takePlain logs the lines at the start of p that need no escapes, which most
// lines are, and returns how many bytes that were. It does what take does,
// without a second look at each byte.
func (l *LineWriter) takePlain(p []byte) (taken int) {
	w := l.w
	if len(l.pending) > 0 || w.journal != nil {
		return 0
	}
	for {
		line := p[taken:min(len(p), taken+maxPiece)]
		n := plain(line)
		if n == len(line) || line[n] != '\n' {
			return taken
		}
		w.begin()
		w.batch = append(append(w.batch, line[:n]...), l.trailer...)
		w.end()
		taken += n + 1
	}
}

// take logs one line or piece from the start of p, or keeps p for later, and
// returns how many bytes that were.
func (l *LineWriter) take(p []byte) int {
	window := p[:min(len(p), maxPiece-len(l.pending))]
	end := bytes.IndexByte(window, '\n')
	switch {
	case end >= 0:
		l.put(window[:end], l.trailer)
		return end + 1
	case len(l.pending)+len(window) == maxPiece:
		l.put(window, l.unfinished())
	default:
		l.pending = append(l.pending, window...)
	}
	return len(window)
}

// put logs what is pending and text as one entry.
func (l *LineWriter) put(text, trailer []byte) {
	if len(l.pending) > 0 {
		text = append(l.pending, text...)
		l.pending = text[:0]
	}
	if w := l.w; w.journal != nil {
		w.note(w.journal.send(l.stream, text, len(trailer) == len(l.unfinished())), 1)
		return
	}
	l.w.add(text, trailer)
}

// unfinished is the trailer of an entry without a newline.
func (l *LineWriter) unfinished() []byte { return l.trailer[len(`\n`):] }

// Close logs what the stream's last line has without its newline. The stream
// may be written to again.
func (l *LineWriter) Close() error {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil && w.journal == nil || len(l.pending) == 0 {
		return nil
	}
	l.trailer = appendTrailer(l.trailer[:0], l.stream, w.attrs, w.now())
	l.put(nil, l.unfinished())
	w.flush()
	return nil
}
