package build

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress prints what a build does, a line at a time.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	count int
	last  int // the step that the last line is about
}

// NewProgress prints to out; nil prints nothing.
func NewProgress(out io.Writer) *Progress { return &Progress{out: out} }

// stepLog is one step's part of the progress.
type stepLog struct {
	p      *Progress
	number int
	began  time.Time
	rest   []byte // an unfinished line
	tail   []byte // the end of what it printed
}

// tailSize is how much of a failed step's output is shown again.
const tailSize = 4 << 10

// begin announces a step.
func (p *Progress) begin(title string) *stepLog {
	p.mu.Lock()
	p.count++
	l := &stepLog{p: p, number: p.count, began: time.Now()}
	p.mu.Unlock()
	l.print(title)
	return l
}

// print prints one line about the step.
func (l *stepLog) print(line string) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil {
		return
	}
	if p.last != 0 && p.last != l.number {
		fmt.Fprintln(p.out)
	}
	p.last = l.number
	fmt.Fprintf(p.out, "#%d %s\n", l.number, line)
}

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

func (l *stepLog) line(line []byte) {
	l.print(fmt.Sprintf("%.3f %s", time.Since(l.began).Seconds(), bytes.TrimRight(line, "\r")))
}

// flush prints an unfinished line.
func (l *stepLog) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
}

// done prints how the step ended.
func (l *stepLog) done(err error) {
	l.flush()
	if err != nil {
		l.print("ERROR: " + err.Error())
		return
	}
	l.print(fmt.Sprintf("DONE %.1fs", time.Since(l.began).Seconds()))
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
