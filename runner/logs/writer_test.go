package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// texts returns what each entry has, a comma after each.
func texts(g *got) string {
	b := new(strings.Builder)
	for _, e := range g.entries {
		text := fmt.Sprintf("%q,", e.Text)
		if len(e.Text) > 100 {
			text = fmt.Sprintf("%d bytes,", len(e.Text))
		}
		b.WriteString(text)
	}
	return b.String()
}

func TestLinesAndPieces(t *testing.T) {
	long := strings.Repeat("x", maxPiece)
	for _, c := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"lines of one write", []string{"a\nb\n\nc\n"}, `"a\n","b\n","\n","c\n",`},
		{"a line in three writes", []string{"a", "b", "c\nd\n"}, `"abc\n","d\n",`},
		{"no newline at the end", []string{"a\nb"}, `"a\n","b",`},
		{"quotes among plain lines", []string{"a\n\"b\"\nc\n"}, `"a\n","\"b\"\n","c\n",`},
		{"nothing", []string{"", ""}, ``},
		{"just too short to cut", []string{long[1:] + "\n"}, `16384 bytes,`},
		{"just long enough", []string{long + "\n"}, `16384 bytes,"\n",`},
		{"the same in two writes", []string{long, "\n"}, `16384 bytes,"\n",`},
		{"three pieces", []string{"a\n" + long + long + "end\nb\n"}, `"a\n",16384 bytes,16384 bytes,"end\n","b\n",`},
		{"a long line byte by byte", strings.Split(long+"end\n", ""), `16384 bytes,"end\n",`},
		{"a long line without an end", []string{long[5:], "123456"}, `16384 bytes,"6",`},
		{"long and not plain", []string{long[1:] + "\xff" + "\n"}, `16384 bytes,"\n",`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, path := newLog(t, Options{})
			for _, text := range c.writes {
				write(t, w, Stdout, text)
			}
			w.Close()
			g := read(t, path, ReadOptions{Tail: All})
			if got := texts(g); got != c.want {
				t.Errorf("entries are %s want %s", got, c.want)
			}
			if want := strings.Join(c.writes, ""); g.String() != want {
				t.Errorf("the text is %.100q, want %.100q", g.String(), want)
			}
			if len(g.notes) > 0 {
				t.Error(g.notes)
			}
		})
	}
}

func TestStreamsInOrderOfArrival(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "a\nb")
	write(t, w, Stderr, "c\nd")
	write(t, w, Stdout, "e\n")
	write(t, w, Stderr, "f\n")
	w.Close()
	b := new(strings.Builder)
	for _, e := range read(t, path, ReadOptions{Tail: All}).entries {
		fmt.Fprintf(b, "%v %ds %s", e.Stream, e.Time.Sub(theTime)/1e9, e.Text)
	}
	if want := "stdout 1s a\nstderr 2s c\nstdout 3s be\nstderr 4s df\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", b, want)
	}
}

func TestNothingIsHeldBack(t *testing.T) {
	w, path := newLog(t, Options{})
	for i := 1; i <= 3; i++ {
		write(t, w, Stdout, "line\n")
		if n := strings.Count(content(t, path), "\n"); n != i {
			t.Fatalf("%d lines in the file after %d writes", n, i)
		}
	}
}

func TestRotation(t *testing.T) {
	const lines, entry = 1000, 80
	w, path := newLog(t, Options{MaxSize: 10 * entry, MaxFile: 3})
	write(t, w, Stdout, numberedLines(1, lines/2))
	for i := lines/2 + 1; i <= lines; i++ {
		write(t, w, Stdout, numberedLines(i, i))
	}
	w.Close()
	for _, p := range []string{path, path + ".1", path + ".2"} {
		if n := len(content(t, p)); n == 0 || n > 11*entry {
			t.Errorf("%s has %d bytes", p, n)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("there are more than three files")
	}
	text := read(t, path, ReadOptions{Tail: All}).String()
	if n := strings.Count(text, "\n"); n < 20 || text != numberedLines(lines-n+1, lines) {
		t.Errorf("these are not the last %d lines:\n%s", n, text)
	}
}

func TestRotationKeepsEverythingThatFits(t *testing.T) {
	for _, batch := range []int{1, 7, 1000} {
		w, path := newLog(t, Options{MaxSize: 2000, MaxFile: 100})
		for i := 1; i <= 1000; i += batch {
			write(t, w, Stdout, numberedLines(i, min(i+batch-1, 1000)))
		}
		w.Close()
		if text := read(t, path, ReadOptions{Tail: All}).String(); text != numberedLines(1, 1000) {
			t.Errorf("in writes of %d lines: not the lines that were written", batch)
		}
	}
}

func TestOneFile(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 800, MaxFile: 1})
	write(t, w, Stdout, numberedLines(1, 100))
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Error("there is a second file")
	}
	text := read(t, path, ReadOptions{Tail: All}).String()
	if n := strings.Count(text, "\n"); n == 0 || n > 11 || text != numberedLines(101-n, 100) {
		t.Errorf("these are not the last lines:\n%s", text)
	}
}

func TestReopenGoesOn(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 800})
	write(t, w, Stdout, numberedLines(1, 5))
	w.Close()
	if n, err := w.Stream(Stdout).Write([]byte("x")); n != 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Close: %d, %v", n, err)
	}
	write(t, openLog(t, path, Options{MaxSize: 800}), Stdout, numberedLines(6, 20))
	if text := read(t, path, ReadOptions{Tail: All}).String(); text != numberedLines(1, 20) {
		t.Errorf("got\n%s", text)
	}
}

// A monitor may be killed at any byte of a write.
func TestCrashWithinALine(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "first\nsecond\n")
	whole := content(t, path)
	first := strings.Index(whole, "\n") + 1
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		next := openLog(t, path, Options{})
		write(t, next, Stdout, "third\n")
		next.Close()
		want := "third\n"
		if n >= first-1 {
			want = "first\n" + want
		}
		if n >= len(whole)-1 {
			want = "first\nsecond\nthird\n"
		}
		g := read(t, path, ReadOptions{Tail: All})
		if g.String() != want {
			t.Fatalf("cut at %d: %q, want %q", n, g, want)
		}
		if damaged := n > 0 && n < first-1 || n > first && n < len(whole)-1; damaged != (len(g.notes) == 1) {
			t.Errorf("cut at %d: notes are %q", n, g.notes)
		}
	}
}

func TestCrashWithinRotation(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 800})
	write(t, w, Stdout, numberedLines(1, 10))
	w.Close()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if text := read(t, path, ReadOptions{Tail: All}).String(); text != numberedLines(1, 10) {
		t.Errorf("before the next start:\n%s", text)
	}
	write(t, openLog(t, path, Options{MaxSize: 800}), Stdout, numberedLines(11, 30))
	if text := read(t, path, ReadOptions{Tail: All}).String(); text != numberedLines(1, 30) {
		t.Errorf("after it:\n%s", text)
	}
}

func TestDriverNone(t *testing.T) {
	w, path := newLog(t, Options{Driver: None})
	write(t, w, Stdout, "a\nb")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file")
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	link := folder + "/link"
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, link, "/dev/null", folder + "/missing/log"} {
		if _, err := Open(path, Options{}, nil); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}
