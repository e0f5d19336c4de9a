package logs

import (
	"bytes"
	"path/filepath"
	"testing"
)

// chunk is what the monitor gets from a pipe that is full.
func chunk(line string) []byte { return bytes.Repeat([]byte(line), 64<<10/len(line)) }

func BenchmarkWrite(b *testing.B) {
	for name, line := range map[string]string{
		"yes":    "y\n",
		"prose":  "the quick brown fox jumps over the lazy dog, and the dog does not care at all\n",
		"quotes": `{"level":"info","msg":"request","path":"/index.html","status":200,"ms":1.5}` + "\n",
		"binary": "\x00\xff\xfe\x80 some text \x1b[31m\xc3\xa4\n",
	} {
		b.Run(name, func(b *testing.B) {
			w, err := Open(filepath.Join(b.TempDir(), "log"), Options{}, func(err error) { b.Error(err) })
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			data := chunk(line)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				w.Stream(Stdout).Write(data)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	trailer := appendTrailer(nil, Stdout, nil, theTime)
	var dst []byte
	data := chunk("y\n")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		dst = dst[:0]
		for range len(data) / 2 {
			dst = appendEntry(dst, data[:1], trailer)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	w, path := newLog(b, Options{})
	for range 2 {
		write(b, w, Stdout, string(chunk("y\n")))
	}
	b.SetBytes(2 * 64 << 10)
	for b.Loop() {
		if err := Read(b.Context(), path, ReadOptions{Tail: All}, func(Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
