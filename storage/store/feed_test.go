package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
)

// What was written is read, whatever the sizes, and summed up.
func TestFeed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, blockSize - 1, blockSize, blockSize + 1, 2 * blockCount * blockSize, 5<<20 + 3} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f := newFeed(func(w io.Writer) error {
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN(3*blockSize/2))
				if _, err := w.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, data) || f.digest() != digest.FromBytes(data) || f.size != int64(size) {
			t.Errorf("%d bytes: got %d, %d, %v", size, len(got), f.size, err)
		}
		if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes: after the end: %d, %v", size, n, err)
		}
		f.Close()
	}
}

// The reader gets the writer's error, and the writer learns that nobody reads.
func TestFeedFails(t *testing.T) {
	broken := errors.New("broken")
	f := newFeed(func(w io.Writer) error { w.Write(make([]byte, blockSize+1)); return broken })
	if got, err := io.ReadAll(f); !errors.Is(err, broken) || len(got) != blockSize {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	f.Close()
	ended := make(chan error)
	f = newFeed(func(w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				ended <- err
				return err
			}
		}
	})
	if _, err := f.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}
