package crc

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// The sums are those of the standard library, whatever the length and wherever
// data is cut.
func TestUpdate(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	data := make([]byte, 4<<10)
	source.Read(data)
	for n := range 1 << 10 {
		before := source.Uint64()
		if got, want := Update(before, data[:n]), crc64.Update(before, table, data[:n]); got != want {
			t.Fatalf("%d bytes: %x, want %x", n, got, want)
		}
		if got, want := Update(Update(0, data[:n]), data[n:]), crc64.Checksum(data, table); got != want {
			t.Fatalf("cut at %d: %x, want %x", n, got, want)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Update(0, data)
	}
}
