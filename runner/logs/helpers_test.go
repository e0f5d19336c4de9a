package logs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var theTime = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// newLog opens a log in a folder of its own. Every look at its clock is a
// second later than the one before; a failure to store anything fails the test.
func newLog(t testing.TB, o Options) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c-json.log")
	return openLog(t, path, o), path
}

func openLog(t testing.TB, path string, o Options) *Writer {
	t.Helper()
	w, err := Open(path, o, func(err error) { t.Errorf("lost output: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	clock := theTime
	w.now = func() time.Time {
		clock = clock.Add(time.Second)
		return clock
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// got is what a Read gave out.
type got struct {
	bytes.Buffer
	entries []Entry
	notes   []string
}

// keep is an emit function for Read.
func (g *got) keep(e Entry) error {
	g.Write(e.Text)
	e.Text = bytes.Clone(e.Text)
	g.entries = append(g.entries, e)
	return nil
}

func (g *got) note(s string) { g.notes = append(g.notes, s) }

func read(t testing.TB, path string, o ReadOptions) *got {
	t.Helper()
	g := new(got)
	o.Note = g.note
	if err := Read(context.Background(), path, o, g.keep); err != nil {
		t.Fatal(err)
	}
	return g
}

func write(t testing.TB, w *Writer, s Stream, text string) {
	t.Helper()
	if n, err := w.Stream(s).Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// numberedLines returns the lines from first to last, of nine bytes each.
func numberedLines(first, last int) string {
	b := new(bytes.Buffer)
	for i := first; i <= last; i++ {
		fmt.Fprintf(b, "%08d\n", i)
	}
	return b.String()
}
