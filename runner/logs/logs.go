// Package logs keeps a container's output on disk and reads it back.
//
// The monitor writes (Open, Writer), in rl's user namespace; the command line
// reads (Read), outside of it, while the monitor goes on. Nothing connects the
// two but the files: the newest is the path itself, older ones are path.1,
// path.2 and so on, or path.1.gz and so on where they are to be compressed.
//
// The format is that of Docker's json-file driver, one JSON object a line, so
// that programs which collect Docker's logs collect these:
//
//	{"log":"hello\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}
//
// A line of output is one entry. One of maxPiece bytes or more is cut into
// pieces of maxPiece; all but the last lack the newline at the end of "log",
// and so does the last line of a stream that ends without one.
//
// JSON cannot hold bytes that are not UTF-8. As Docker does, "log" then has
// \ufffd for each such byte; in addition the bytes themselves are in
// "invalid", in order, as base64. A U+FFFD that the container wrote is never
// escaped, so Read puts every byte back in its place.
package logs

import "time"

// maxPiece is the longest text of one entry, in bytes, without its newline.
const maxPiece = 16 << 10

// Stream says where a container's output came from.
type Stream uint8

// The streams of a container. One with a terminal only has Stdout.
const (
	Stdout Stream = iota
	Stderr
)

// String returns the stream's name in the file.
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Entry is one line of output, or a piece of a long one.
type Entry struct {
	Stream Stream
	Time   time.Time // when the monitor had read it
	// Text is what the container wrote, byte for byte. It ends in a newline
	// unless more of the line follows or the stream ended without one.
	Text []byte
	// Attrs are what other writers of this format add to an entry; rl's
	// writer adds none.
	Attrs map[string]string
}
