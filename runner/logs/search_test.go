package logs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// endless is a log of a gigabyte that is made up where it is read: a line each
// second, all of the same length. It counts what is read of it.
type endless struct {
	line int64
	read int64
}

const endlessSize = 1 << 30

func lineOf(n int64) string {
	return string(entry(fmt.Sprintf("line %010d", n), theTime.Add(time.Duration(n)*time.Second)))
}

// entry is a line of the file.
func entry(text string, at time.Time) []byte {
	line := append([]byte(entryBegin+text), appendTrailer(nil, Stdout, nil, at)...)
	return line[:len(line)-len(entryBegin)]
}

func (e *endless) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off+int64(n) < endlessSize {
		at := off + int64(n)
		n += copy(p[n:], lineOf(at / e.line)[at%e.line:])
	}
	e.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// What is read does not grow with the log: neither for the end of it nor for
// what came after a time.
func TestLargeLogsAreNotReadFromTheStart(t *testing.T) {
	size := int64(len(lineOf(0)))
	last := int64(endlessSize)/size - 1 // of the whole lines
	for name, seek := range map[string]func(log *endless) (int64, error){
		"tail": func(log *endless) (int64, error) {
			count := tailCount{left: 10}
			return count.seek(log, (last+1)*size, time.Time{}, new(decoder))
		},
		"since": func(log *endless) (int64, error) {
			low, _, err := seekTime(log, (last+1)*size, theTime.Add(time.Duration(last-9)*time.Second), new(decoder))
			return low, err
		},
		"until": func(log *endless) (int64, error) {
			_, end, err := seekTime(log, (last+1)*size, theTime.Add(time.Duration(last-9)*time.Second), new(decoder))
			return end, err
		},
	} {
		log := &endless{line: size}
		off, err := seek(log)
		if want := (last - 9) * size; err != nil || off%size != 0 || off < want-2*searchWindow || off > want+2*searchWindow {
			t.Errorf("%s: begins at %d instead of near %d: %v", name, off, want, err)
		}
		if log.read > 8<<20 {
			t.Errorf("%s: %d bytes of %d were read", name, log.read, int64(endlessSize))
		}
	}
}

// BenchmarkTail has the same time for each size.
func BenchmarkTail(b *testing.B) {
	for _, size := range []int64{1 << 20, 64 << 20, 1 << 30} {
		path := filepath.Join(b.TempDir(), "log")
		writeLines(b, path, size)
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			for b.Loop() {
				lines := 0
				err := Read(b.Context(), path, ReadOptions{Tail: 10}, func(Entry) error { lines++; return nil })
				if err != nil || lines != 10 {
					b.Fatal(lines, err)
				}
			}
		})
		os.Remove(path)
	}
}

// writeLines fills a log up to about a size.
func writeLines(b *testing.B, path string, size int64) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var chunk []byte
	for n := range int64(8192) {
		chunk = append(chunk, lineOf(n)...)
	}
	for written := int64(0); written < size; written += int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
