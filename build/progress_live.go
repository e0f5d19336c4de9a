package build

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// TerminalSize is how many columns and rows a terminal has.
type TerminalSize struct{ Columns, Rows int }

// NewLiveProgress shows the steps on a terminal, in place: a line for each with
// the time that it takes, and below a running one the last lines of its output.
// size is asked for before each picture.
func NewLiveProgress(out io.Writer, size func() TerminalSize, color bool) *Progress {
	d := &live{out: out, size: size, color: color, began: time.Now(), end: make(chan struct{})}
	p := &Progress{to: d}
	go d.run(p)
	return p
}

// live draws a picture over the one before. It is changed with the lock of its
// Progress held.
type live struct {
	out    io.Writer
	size   func() TerminalSize
	color  bool
	began  time.Time
	steps  []*liveStep
	drawn  []string // the lines of the last picture
	paused bool
	end    chan struct{}
}

type liveStep struct {
	*stepLog
	lines []string // the last ones of its output
}

// Pictures are not drawn more often than this.
const pictureInterval = 100 * time.Millisecond

// logLines is how much of a running step's output is shown.
const logLines = 6

func (d *live) run(p *Progress) {
	ticker := time.NewTicker(pictureInterval)
	defer ticker.Stop()
	for {
		select {
		case <-d.end:
			return
		case now := <-ticker.C:
			if p.mu.TryLock() { // or else there will be another picture soon
				if !d.paused {
					d.draw(now)
				}
				p.mu.Unlock()
			}
		}
	}
}

func (d *live) show(c change) {
	d.paused = false
	if c.kind == begun {
		d.steps = append(d.steps, &liveStep{stepLog: c.stepLog})
		return
	}
	step := d.steps[c.number-1]
	if c.kind == said || c.kind == noted {
		if step.lines = append(step.lines, printable(c.text)); len(step.lines) > logLines {
			step.lines = step.lines[1:]
		}
	}
}

// printable is a line of a program's output without what moves the cursor.
func printable(text string) string {
	if at := strings.LastIndexByte(text, '\r'); at >= 0 {
		text = text[at+1:] // what a progress bar showed last
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] == 0x1b {
			i += escapeLength(text[i:])
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		switch {
		case r == '\t':
			b.WriteString("    ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escapeLength is how long the control sequence is that a text begins with.
func escapeLength(text string) int {
	if len(text) < 2 || text[1] != '[' {
		return min(2, len(text))
	}
	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		return len(text)
	}
	return end + 3
}

func (d *live) pause() {
	d.draw(time.Now())
	d.paused, d.drawn = true, nil
}

func (d *live) close() {
	close(d.end)
	size := d.size()
	size.Rows = 1 << 20 // all of it: it may scroll now
	d.replace(d.picture(time.Now(), size, true), size.Columns)
	d.paused = true
}

func (d *live) draw(now time.Time) {
	size := d.size()
	d.replace(d.picture(now, size, false), size.Columns)
}

// replace draws lines over those of the last picture, of which a terminal that
// became narrower made more.
func (d *live) replace(lines []string, columns int) {
	var b bytes.Buffer
	rows := 0
	for _, line := range d.drawn {
		rows += max(1, (utf8.RuneCountInString(line)+columns-1)/columns)
	}
	if rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", rows)
	}
	b.WriteString("\x1b[J\x1b[?7l") // clear what is below; do not wrap
	for _, line := range lines {
		b.WriteString(d.colored(line) + "\n")
	}
	b.WriteString("\x1b[?7h")
	_, _ = d.out.Write(b.Bytes())
	d.drawn = lines
}

func (d *live) colored(line string) string {
	switch {
	case !d.color:
		return line
	case strings.HasPrefix(line, failedPrefix):
		return "\x1b[31m" + line + "\x1b[0m"
	case strings.HasPrefix(line, cachedPrefix):
		return "\x1b[34m" + line + "\x1b[0m"
	}
	return line
}

// How lines begin.
const (
	stepPrefix   = " => "
	cachedPrefix = " => CACHED "
	failedPrefix = " => ERROR "
	logPrefix    = " => => # "
)

// picture is what the terminal shows at a time.
func (d *live) picture(now time.Time, size TerminalSize, final bool) []string {
	done := 0
	for _, s := range d.steps {
		if !s.ended.IsZero() {
			done++
		}
	}
	head := fmt.Sprintf("[+] Building %.1fs (%d/%d)", now.Sub(d.began).Seconds(), done, len(d.steps))
	if final && done == len(d.steps) {
		head += " FINISHED"
	}
	lines := []string{fit(head, size.Columns)}
	for _, s := range d.fitting(size.Rows - 2) {
		lines = append(lines, s.line(now, size.Columns))
		for _, text := range s.shown {
			lines = append(lines, fit(logPrefix+text, size.Columns))
		}
	}
	return lines
}

// pictured is a step with the lines of its output that are shown.
type pictured struct {
	*liveStep
	shown []string
}

// fitting chooses what fits into a number of rows: steps that go on, then those
// that ended last.
func (d *live) fitting(rows int) (chosen []pictured) {
	room, running := rows, 0
	for _, s := range d.steps {
		if s.ended.IsZero() {
			running++
		}
	}
	finished := max(0, rows-running)
	logs := 0
	if running > 0 {
		logs = min(logLines, max(0, rows-running)/running)
		finished = max(0, rows-running*(logs+1))
		finished = max(finished, min(rows-running, len(d.steps)-running)/2)
	}
	skip := len(d.steps) - running - finished
	for _, s := range d.steps {
		if !s.ended.IsZero() {
			if skip--; skip >= 0 {
				continue
			}
			chosen = append(chosen, pictured{s, nil})
			room--
		}
	}
	for _, s := range d.steps {
		if !s.ended.IsZero() || room <= 0 {
			continue
		}
		room--
		n := min(logs, room, len(s.lines))
		chosen = append(chosen, pictured{s, s.lines[len(s.lines)-n:]})
		room -= n
	}
	return chosen
}

// line is the line of a step, with the time at its end if there is room.
func (s *liveStep) line(now time.Time, columns int) string {
	prefix := stepPrefix
	switch {
	case s.err != nil:
		prefix = failedPrefix
	case s.cached:
		prefix = cachedPrefix
	}
	text, took := prefix+printable(s.title), fmt.Sprintf(" %.1fs", s.elapsed(now).Seconds())
	width := columns - len(took)
	if width < 20 {
		return fit(text, columns)
	}
	text = fit(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text)) + took
}

// fit cuts a text to a number of columns.
func fit(text string, columns int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), columns)])
}
