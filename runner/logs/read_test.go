package logs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tenFiles is a log of lines 1 to 1000 in some ten files, one line a second.
func tenFiles(t *testing.T) string {
	w, path := newLog(t, Options{MaxSize: 8000, MaxFile: 100})
	for i := 1; i <= 1000; i++ {
		write(t, w, Stdout, numberedLines(i, i))
	}
	w.Close()
	return path
}

func TestTail(t *testing.T) {
	path := tenFiles(t)
	for _, n := range []int{0, 1, 2, 99, 100, 101, 102, 500, 999, 1000, 1001, 5000} {
		g := read(t, path, ReadOptions{Tail: n})
		if want := numberedLines(max(1, 1001-n), 1000); g.String() != want {
			t.Errorf("the last %d: got %d lines, from %.9q", n, len(g.entries), g.String())
		}
	}
}

func TestTailCountsLinesNotPieces(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 40_000, MaxFile: 100})
	long := strings.Repeat("x", 5*maxPiece+10)
	write(t, w, Stdout, "one\n"+long+"\n"+long+"\n")
	write(t, w, Stderr, "error")
	write(t, w, Stdout, "last")
	w.Close()
	lines := []string{"one\n", long + "\n", long + "\n", "last", "error"}
	for n := range len(lines) + 2 {
		want := strings.Join(lines[max(0, len(lines)-n):], "")
		if g := read(t, path, ReadOptions{Tail: n}); g.String() != want {
			t.Errorf("the last %d: %d bytes, want %d", n, g.Len(), len(want))
		}
	}
}

func at(second int) time.Time { return theTime.Add(time.Duration(second) * time.Second) }

func TestTimes(t *testing.T) {
	path := tenFiles(t)
	for _, c := range []struct {
		since, until, tail int // seconds; 0 is none
		first, last        int
	}{
		{1, 0, All, 1, 1000}, {2, 0, All, 2, 1000}, {500, 0, All, 500, 1000}, {1000, 0, All, 1000, 1000}, {1001, 0, All, 1, 0},
		{0, 1, All, 1, 1}, {0, 500, All, 1, 500}, {0, 2000, All, 1, 1000}, {-5, 0, All, 1, 1000}, {0, -5, All, 1, 0},
		{300, 400, All, 300, 400}, {400, 300, All, 1, 0}, {300, 300, All, 300, 300},
		{0, 500, 10, 491, 500}, {495, 500, 10, 495, 500}, {0, 500, 0, 1, 0}, {990, 0, 5, 996, 1000},
	} {
		o := ReadOptions{Tail: c.tail}
		if c.since != 0 {
			o.Since = at(c.since)
		}
		if c.until != 0 {
			o.Until = at(c.until)
		}
		if g := read(t, path, o); g.String() != numberedLines(c.first, c.last) {
			t.Errorf("%+v: got %d lines, from %.9q", c, len(g.entries), g.String())
		}
	}
}

func TestTimesInOneLargeFile(t *testing.T) {
	w, path := newLog(t, Options{})
	for i := 1; i <= 5000; i++ {
		write(t, w, Stdout, numberedLines(i, i))
	}
	for i := 1; i <= 5001; i += 250 {
		g := read(t, path, ReadOptions{Tail: All, Since: at(i)})
		if g.String() != numberedLines(i, 5000) {
			t.Errorf("since %d: got %d lines, from %.9q", i, len(g.entries), g.String())
		}
	}
}

// bytesRead returns how many bytes this process has asked the kernel to read.
func bytesRead(t *testing.T) int {
	t.Helper()
	_, rest, _ := strings.Cut(content(t, "/proc/self/io"), "rchar: ")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hugeLog is a log whose newest file is a gigabyte, most of it a hole, with a
// few lines at the end.
func hugeLog(t *testing.T) string {
	w, path := newLog(t, Options{MaxSize: -1})
	write(t, w, Stdout, "start\n")
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	w.Close()
	w = openLog(t, path, Options{MaxSize: -1})
	write(t, w, Stdout, numberedLines(1, 100))
	w.Close()
	return path
}

func TestTailReadsTheEndOnly(t *testing.T) {
	path := hugeLog(t)
	before := bytesRead(t)
	g := read(t, path, ReadOptions{Tail: 50})
	if g.String() != numberedLines(51, 100) {
		t.Errorf("got %q", g)
	}
	if n := bytesRead(t) - before; n > 100_000 {
		t.Errorf("%d bytes were read for fifty lines", n)
	}
}

func TestTimesAreSearched(t *testing.T) {
	const lines = 100_000
	w, path := newLog(t, Options{MaxSize: -1})
	for i := 1; i <= lines; i += 100 {
		write(t, w, Stdout, numberedLines(i, i+99))
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	before := bytesRead(t)
	if g := read(t, path, ReadOptions{Tail: All, Since: at(lines/100 - 1)}); g.String() != numberedLines(lines-199, lines) {
		t.Errorf("got %d lines, from %.9q", len(g.entries), g.String())
	}
	if n := bytesRead(t) - before; n > 1_000_000 || int64(n) > info.Size()/5 {
		t.Errorf("%d of %d bytes were read for two hundred lines", n, info.Size())
	}
}

func TestDamagedLines(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "one\n")
	w.Close()
	good := content(t, path)
	for _, c := range []struct {
		name, text, want string
		notes            int
	}{
		{"garbage between", good + "garbage\n" + good, "one\none\n", 1},
		{"empty lines", "\n\n" + good + "\n", "one\n", 1},
		{"a line that is too long", good + strings.Repeat("x", 3*maxLine) + "\n" + good, "one\none\n", 1},
		{"the same at the start", strings.Repeat("x", 3*maxLine) + "\n" + good, "one\n", 1},
		{"the same without an end", good + strings.Repeat("x", 3*maxLine), "one\n", 0},
		{"exactly as long as the buffer", good + strings.Repeat("x", maxLine-1) + "\n" + good, "one\none\n", 1},
		{"zeros, as after a power cut", good + strings.Repeat("\x00", 5000), "one\n", 0},
		{"an unfinished line", good + good[:10], "one\n", 0},
		{"nothing", "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tail := range []int{All, 10} {
				g := read(t, path, ReadOptions{Tail: tail})
				if g.String() != c.want || tail == All && len(g.notes) != c.notes {
					t.Errorf("tail %d: got %q, notes %q", tail, g, g.notes)
				}
			}
			if g := read(t, path, ReadOptions{Tail: All, Since: theTime}); g.String() != c.want {
				t.Errorf("since: got %q", g)
			}
		})
	}
}

func TestEndOfARotatedFile(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "one\n")
	w.Close()
	good := content(t, path)
	if err := os.WriteFile(path+".1", []byte(good+good[:20]), 0o600); err != nil {
		t.Fatal(err)
	}
	g := read(t, path, ReadOptions{Tail: All})
	if g.String() != "one\none\n" || len(g.notes) != 1 {
		t.Errorf("got %q, notes %q", g, g.notes)
	}
}

// The tail is found backwards, whatever is in the file.
func FuzzTail(f *testing.F) {
	line := string(encode(Stdout, []byte("a\n")))
	f.Add(line+line+"x\n"+line, 2)
	f.Add("\n\n"+line+line[:20], 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all := read(t, path, ReadOptions{Tail: All}).String()
		tail := read(t, path, ReadOptions{Tail: n}).String()
		if !strings.HasSuffix(all, tail) {
			t.Errorf("the last %d lines of %q are %q", n, all, tail)
		}
	})
}

func TestOtherFilesAreNotLogs(t *testing.T) {
	w, path := newLog(t, Options{})
	write(t, w, Stdout, "one\n")
	for _, name := range []string{".x", ".1x", ".-1", "1", ".0", ".", "-2"} {
		if err := os.WriteFile(path+name, []byte("garbage\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if g := read(t, path, ReadOptions{Tail: All}); g.String() != "one\n" || len(g.notes) > 0 {
		t.Errorf("got %q, notes %q", g, g.notes)
	}
}

func TestNothingLoggedYet(t *testing.T) {
	folder := t.TempDir()
	if g := read(t, folder+"/log", ReadOptions{Tail: All}); g.Len() > 0 {
		t.Errorf("got %q", g)
	}
	if err := Read(context.Background(), folder+"/missing/log", ReadOptions{}, new(got).keep); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the folder: %v", err)
	}
}

func TestReadEndsWithEmit(t *testing.T) {
	path := tenFiles(t)
	enough := errors.New("enough")
	n := 0
	err := Read(context.Background(), path, ReadOptions{Tail: All, Follow: true}, func(Entry) error {
		if n++; n == 150 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 150 {
		t.Errorf("%v after %d entries", err, n)
	}
}
