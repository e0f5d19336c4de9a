package logs

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packAll compresses what was set aside and waits for the end of it.
func packAll(path string, keep int) {
	p := startPacker(path, keep)
	<-p.done
}

// compressed is a log of lines 1 to last, one a second, in five or more files,
// all but the newest of them compressed.
func compressed(t *testing.T, last int) string {
	t.Helper()
	w, path := newLog(t, Options{MaxSize: int64(last) * 16, MaxFile: 100, Compress: true})
	for i := 1; i <= last; i++ {
		write(t, w, Stdout, numberedLines(i, i))
	}
	w.Close()
	packAll(path, 100)
	for n := 1; n <= 4; n++ {
		if _, err := os.Stat(packedName(path, n)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(numbered(path, n)); err == nil {
			t.Fatalf("file %d is there twice", n)
		}
	}
	return path
}

func TestPackedIsGzip(t *testing.T) {
	path := compressed(t, 20_000) // more than one block in a file
	var all strings.Builder
	for n := 10; n > 0; n-- {
		f, err := os.Open(packedName(path, n))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		unzip, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(unzip)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	plain := t.TempDir() + "/log"
	if err := os.WriteFile(plain, []byte(all.String()+content(t, path)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, plain, ReadOptions{Tail: All}).String(); got != numberedLines(1, 20_000) {
		t.Errorf("another program for gzip finds %d bytes", len(got))
	}
}

func TestReadPacked(t *testing.T) {
	const last = 20_000
	path := compressed(t, last)
	for _, n := range []int{0, 1, 99, 5000, 12_345, last, last + 1} {
		if g := read(t, path, ReadOptions{Tail: n}); g.String() != numberedLines(max(1, last+1-n), last) {
			t.Errorf("the last %d: %d lines", n, len(g.entries))
		}
	}
	if g := read(t, path, ReadOptions{Tail: All}); g.String() != numberedLines(1, last) || len(g.notes) > 0 {
		t.Errorf("all: %d lines, %q", len(g.entries), g.notes)
	}
	for _, from := range []int{1, 2, 4000, 9999, last} {
		if g := read(t, path, ReadOptions{Tail: All, Since: at(from)}); g.String() != numberedLines(from, last) {
			t.Errorf("since %d: %d lines", from, len(g.entries))
		}
		if g := read(t, path, ReadOptions{Tail: 10, Until: at(from)}); g.String() != numberedLines(max(1, from-9), from) {
			t.Errorf("ten until %d: %q", from, g)
		}
	}
}

// Of a large file, only the blocks that are asked for are unpacked.
func TestTailOfPackedReadsItsEnd(t *testing.T) {
	w, path := newLog(t, Options{MaxSize: 1 << 30})
	for range 40 {
		write(t, w, Stdout, numberedLines(1, 20_000))
	}
	w.Close()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	packAll(path, 2)
	f, err := openPart(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.size()
	if err != nil || size < 100*blockSize {
		t.Fatalf("%d bytes, %v", size, err)
	}
	r := &reader{ctx: context.Background(), o: ReadOptions{Tail: 10}}
	off, err := r.offset(f, size, &tailCount{left: 10})
	if err != nil {
		t.Fatal(err)
	}
	if off < size-blockSize || f.packed.last < len(f.packed.members)-2 {
		t.Errorf("begins at %d of %d, block %d of %d", off, size, f.packed.last, len(f.packed.members))
	}
}

func TestFollowAcrossPacking(t *testing.T) {
	for _, keep := range []int{2, 3} {
		w, path := newLog(t, Options{MaxSize: 800, MaxFile: keep, Compress: true})
		f := follow(t, path, ReadOptions{Tail: All})
		for i := 1; i < 500; i += 7 {
			write(t, w, Stdout, numberedLines(i, i+6))
			f.expect(numberedLines(i, i+6))
		}
		w.Close()
		if got := f.rest(); got != "" {
			t.Errorf("of %d files: the rest is %q", keep, got)
		}
	}
}

func TestFollowPackingUnderLoad(t *testing.T) {
	const lines = 20_000
	w, path := newLog(t, Options{MaxSize: 20_000, MaxFile: 100, Compress: true})
	f := follow(t, path, ReadOptions{Tail: All})
	go func() {
		defer close(f.done)
		for i := 1; i <= lines; i += 10 {
			write(t, w, Stdout, numberedLines(i, i+9))
		}
		w.Close()
	}()
	f.expect(numberedLines(1, lines))
	for text := range f.entries {
		t.Errorf("another line: %q", text)
	}
	if err := <-f.err; err != nil {
		t.Error(err)
	}
}

// A reader that has a file open finds the one after it, although its own was
// replaced by a compressed copy and the copy was set aside further.
func TestSuccessorOfPacked(t *testing.T) {
	path := tenFiles(t)
	f, err := openPart(path, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packAll(path, 6)
	if err := os.Rename(packedName(path, 5), packedName(path, 6)); err != nil {
		t.Fatal(err)
	}
	next, gone, err := successor(context.Background(), path, f)
	if err != nil || gone {
		t.Fatal(gone, err)
	}
	defer next.Close()
	if f.packed != nil || next.Name() != packedName(path, 4) {
		t.Errorf("goes on with %s", next.Name())
	}
}

// Whatever of compressing a crash leaves, nothing is lost or doubled.
func TestCrashWithinPacking(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, path string){
		"while it writes": func(t *testing.T, path string) {
			if err := os.WriteFile(path+draftEnding, []byte("\x1f\x8b half"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"before the file is removed": func(t *testing.T, path string) {
			text, err := os.ReadFile(path + ".1")
			if err != nil {
				t.Fatal(err)
			}
			packAll(path, 3)
			if err := os.WriteFile(path+".1", text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, path := newLog(t, Options{MaxSize: 1600, MaxFile: 20})
			write(t, w, Stdout, numberedLines(1, 25))
			w.Close()
			crash(t, path)
			if got := read(t, path, ReadOptions{Tail: All}).String(); got != numberedLines(1, 25) {
				t.Errorf("before the next start:\n%s", got)
			}
			w = openLog(t, path, Options{MaxSize: 1600, MaxFile: 20, Compress: true})
			for i := 26; i <= 100; i++ {
				write(t, w, Stdout, numberedLines(i, i))
			}
			w.Close()
			if g := read(t, path, ReadOptions{Tail: All}); g.String() != numberedLines(1, 100) || len(g.notes) > 0 {
				t.Errorf("after it: %q\n%s", g.notes, g)
			}
			packAll(path, 20)
			if left, _ := filepath.Glob(path + "*.tmp"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// What is damaged is left out, and said.
func TestDamagedPacked(t *testing.T) {
	whole := numberedLines(1, 20_000)
	for name, damage := range map[string]func(text []byte) []byte{
		"cut":        func(text []byte) []byte { return text[:len(text)*2/3] },
		"other tail": func(text []byte) []byte { return append(text, "not gzip, but long enough for one header"...) },
		"turned bit": func(text []byte) []byte { text[len(text)/2] ^= 4; return text },
	} {
		path := compressed(t, 20_000)
		text, err := os.ReadFile(packedName(path, 2))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(packedName(path, 2), damage(text), 0o600); err != nil {
			t.Fatal(err)
		}
		g := read(t, path, ReadOptions{Tail: All})
		if len(g.notes) != 1 || !strings.HasSuffix(whole, g.String()[g.Len()-1000:]) || !strings.HasPrefix(whole, g.String()[:1000]) {
			t.Errorf("%s: %d lines, %q", name, len(g.entries), g.notes)
		}
	}
}

func TestWhatCannotBeCompressed(t *testing.T) {
	noise := make([]byte, 3*blockSize)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/log"
	if err := os.WriteFile(path+".1", noise, 0o600); err != nil {
		t.Fatal(err)
	}
	packAll(path, 2)
	f, err := openPart(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, len(noise)+1)
	if n, err := f.ReadAt(got, 0); f.packed == nil || n != len(noise) || !errors.Is(err, io.EOF) || string(got[:n]) != string(noise) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A reader that has not gone on from a file keeps it, so that AwaitReaders sees it.
func TestPackingLeavesWhatIsFollowed(t *testing.T) {
	path := t.TempDir() + "/log"
	if err := os.WriteFile(path+".1", []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openPart(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	setFollowed(f, true)
	startPacker(path, 2).finish()
	if !isStored(path, 1, mustStat(t, f.File)) {
		t.Error("it was replaced")
	}
	setFollowed(f, false)
	packAll(path, 2)
	if isStored(path, 1, mustStat(t, f.File)) || !wasPackedFrom(path, 1, mustStat(t, f.File)) {
		t.Error("it was not replaced")
	}
}

func mustStat(t *testing.T, f *os.File) os.FileInfo {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func FuzzPacked(f *testing.F) {
	f.Add([]byte("\x1f\x8b"))
	f.Add(append(append([]byte("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x14\x00"), header{100, 50, 7}.append(nil)...), "rest"...))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir() + "/log"
		if err := os.WriteFile(path+".1.gz", text, 0o600); err != nil {
			t.Fatal(err)
		}
		read(t, path, ReadOptions{Tail: All})
		read(t, path, ReadOptions{Tail: 3, Until: theTime})
	})
}
