package build

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Progress tells what a build does. It may be used by several steps at once.
type Progress struct {
	mu    sync.Mutex
	to    display
	count int
}

// display is a way to show the progress. Its methods are called one at a time.
type display interface {
	// show shows what is new about a step.
	show(c change)
	// pause leaves the terminal to something else, until the next change.
	pause()
	// close shows what is left to show.
	close()
}

// change is something new about a step.
type change struct {
	*stepLog
	kind changeKind
	text string // of a line or a note
}

type changeKind int

const (
	begun changeKind = iota
	noted            // by the builder
	said             // a line of the step's processes
	ended            // well, badly or from the cache
)

// NewProgress prints lines to out; nil prints nothing.
func NewProgress(out io.Writer) *Progress {
	if out == nil {
		return &Progress{to: silent{}}
	}
	return &Progress{to: &plain{out: out}}
}

// silent shows nothing.
type silent struct{}

func (silent) show(change) {}
func (silent) pause()      {}
func (silent) close()      {}

// Close ends the display. Nothing is shown after it.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to.close()
	p.to = silent{}
}

// during leaves the terminal to f. Steps that go on wait when they have
// something to say.
func (p *Progress) during(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to.pause()
	f()
}

// stepLog is one step's part of the progress.
type stepLog struct {
	p            *Progress
	number       int
	title        string
	began, ended time.Time
	cached       bool
	err          error
	rest         []byte // an unfinished line
	tail         []byte // the end of what it printed
}

// tailSize is how much of a failed step's output is shown again.
const tailSize = 4 << 10

// begin announces a step.
func (p *Progress) begin(title string) *stepLog {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	l := &stepLog{p: p, number: p.count, title: title, began: time.Now()}
	p.to.show(change{l, begun, title})
	return l
}

func (l *stepLog) show(kind changeKind, text string) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.p.to.show(change{l, kind, text})
}

// print says something about the step.
func (l *stepLog) print(text string) { l.show(noted, text) }

// Write takes what the step's processes print.
func (l *stepLog) Write(text []byte) (int, error) {
	if l.tail = append(l.tail, text...); len(l.tail) > 2*tailSize {
		l.tail = append([]byte(nil), l.tail[len(l.tail)-tailSize:]...)
	}
	l.rest = append(l.rest, text...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte{'\n'})
		if !whole && len(line) < 64<<10 {
			return len(text), nil
		}
		if !whole {
			line, rest = l.rest, nil
		}
		l.line(line)
		l.rest = rest
	}
}

func (l *stepLog) line(line []byte) { l.show(said, strings.TrimRight(string(line), "\r")) }

// done says how the step ended, after an unfinished line.
func (l *stepLog) done(err error) {
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
	l.end(err, false)
}

// fromCache says that the step need not be done.
func (l *stepLog) fromCache() { l.end(nil, true) }

func (l *stepLog) end(err error, cached bool) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.err, l.cached, l.ended = err, cached, time.Now()
	l.p.to.show(change{l, ended, ""})
}

// elapsed is how long the step took, or takes already.
func (l *stepLog) elapsed(now time.Time) time.Duration {
	if !l.ended.IsZero() {
		now = l.ended
	}
	return now.Sub(l.began)
}

// log is the end of what the step printed.
func (l *stepLog) log() string {
	text := l.tail
	if len(text) > tailSize {
		text = text[len(text)-tailSize:]
	}
	if _, rest, ok := bytes.Cut(text, []byte{'\n'}); ok && len(l.tail) > tailSize {
		text = rest
	}
	return string(bytes.TrimRight(text, "\n"))
}

// plain prints a line for each change, with the number of the step, as docker
// build does where there is no terminal.
type plain struct {
	out  io.Writer
	last int // the step that the last line is about
}

func (p *plain) show(c change) {
	text := c.text
	switch {
	case c.kind == said:
		text = fmt.Sprintf("%.3f %s", time.Since(c.began).Seconds(), c.text)
	case c.kind != ended:
	case c.err != nil:
		text = "ERROR: " + c.err.Error()
	case c.cached:
		text = "CACHED"
	default:
		text = fmt.Sprintf("DONE %.1fs", c.elapsed(c.ended).Seconds())
	}
	if p.last != 0 && p.last != c.number {
		fmt.Fprintln(p.out)
	}
	p.last = c.number
	fmt.Fprintf(p.out, "#%d %s\n", c.number, text)
}

func (p *plain) pause() {}
func (p *plain) close() {}
