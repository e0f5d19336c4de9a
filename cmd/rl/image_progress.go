//go:build !split && containers_image_openpgp

package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/docker/go-units"
	"golang.org/x/term"

	"github.com/rl-project/rl/storage/store"
)

// barWidth is the number of characters of a progress bar.
const barWidth = 30

// progress shows the layers of an image as they arrive: a bar for each on a
// terminal, else a line when something is done.
type progress struct {
	w     io.Writer
	quiet bool
	width int // columns of the terminal, 0 if it is none
	lines int // rows of the terminal
	order []string
	state map[string]store.LayerProgress
	drawn int // lines on the terminal, above the cursor
	words map[store.LayerState]string
}

// What is said of a layer, in Docker's words.
var (
	pullWords = map[store.LayerState]string{
		store.LayerWaiting: "Pulling fs layer", store.LayerCopying: "Downloading", store.LayerExists: "Already exists", store.LayerCopied: "Pull complete",
	}
	pushWords = map[store.LayerState]string{
		store.LayerWaiting: "Preparing", store.LayerCopying: "Pushing", store.LayerExists: "Layer already exists", store.LayerCopied: "Pushed",
	}
)

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, state: make(map[string]store.LayerProgress), words: pullWords}
	if f, ok := w.(*os.File); ok {
		if width, lines, err := term.GetSize(int(f.Fd())); err == nil {
			// A terminal that does not know its size says 0.
			p.width, p.lines = cmp.Or(width, 80), cmp.Or(lines, 24)
		}
	}
	return p
}

// report takes one report about one layer.
func (p *progress) report(l store.LayerProgress) {
	if p.quiet {
		return
	}
	before, known := p.state[l.Digest]
	if !known {
		p.order = append(p.order, l.Digest)
	}
	p.state[l.Digest] = l
	// The cursor cannot go up beyond the first row.
	if p.width > 0 && len(p.order) < p.lines {
		p.draw()
	} else if !known || before.State != l.State {
		p.line(l)
	}
}

func (p *progress) line(l store.LayerProgress) {
	if l.State != store.LayerCopying {
		fmt.Fprintf(p.w, "%s: %s\n", layerName(l.Digest), p.words[l.State])
	}
}

// draw writes all layers over what it wrote before.
func (p *progress) draw() {
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	for _, digest := range p.order {
		l := p.state[digest]
		text := layerName(digest) + ": " + p.words[l.State]
		if l.State == store.LayerCopying {
			text += " " + bar(l.Current, l.Total)
		}
		fmt.Fprintf(&b, "\r\x1b[2K%s\n", text[:min(len(text), p.width-1)])
	}
	p.drawn = len(p.order)
	io.WriteString(p.w, b.String())
}

// close ends the drawing; what is printed next goes below it.
func (p *progress) close() { p.drawn = 0 }

func layerName(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(12, len(hex))]
}

// bar draws how much of total is there, in bytes. The total may be unknown.
func bar(current, total int64) string {
	if total <= 0 {
		return units.HumanSizeWithPrecision(float64(current), 3)
	}
	done := int(min(current, total) * barWidth / total)
	arrow := strings.Repeat("=", done) + ">"
	return fmt.Sprintf("[%-*s] %s/%s", barWidth, arrow[:min(len(arrow), barWidth)],
		units.HumanSizeWithPrecision(float64(current), 3), units.HumanSizeWithPrecision(float64(total), 3))
}
