package logs

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC3339Nano with all nine digits.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

const (
	entryBegin = `{"log":"`
	entryEnd   = "\"}\n"
	hexDigits  = "0123456789abcdef"
)

// appendTrailer appends what is between the texts of two lines: the end of one
// entry and the start of the next. It is made once for all lines that came
// together, so that a short line costs two copies.
func appendTrailer(dst []byte, s Stream, attrs []byte, t time.Time) []byte {
	dst = append(dst, `\n","stream":"`...)
	dst = append(dst, s.String()...)
	dst = append(append(append(dst, '"'), attrs...), `,"time":"`...)
	dst = t.UTC().AppendFormat(dst, timeLayout)
	return append(dst, entryEnd+entryBegin...)
}

// appendEntry goes on after entryBegin with the text of an entry and a trailer,
// which brings the next entryBegin. The trailer of an entry without a newline
// lacks the escaped newline at its start.
func appendEntry(dst, text, trailer []byte) []byte {
	n := plain(text)
	dst = append(dst, text[:n]...)
	if n == len(text) {
		return append(dst, trailer...)
	}
	dst, invalid := appendEscaped(dst, text[n:])
	if invalid == nil {
		return append(dst, trailer...)
	}
	dst = append(dst, trailer[:len(trailer)-len(entryEnd+entryBegin)]...)
	dst = append(dst, `","invalid":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, invalid)
	return append(dst, entryEnd+entryBegin...)
}

// appendEscaped appends text as it stands in a JSON string, and returns the
// bytes that are not UTF-8.
func appendEscaped(dst, text []byte) (escaped, invalid []byte) {
	for len(text) > 0 {
		if n := plain(text); n > 0 {
			dst, text = append(dst, text[:n]...), text[n:]
			continue
		}
		if text[0] < utf8.RuneSelf {
			dst, text = appendEscape(dst, text[0]), text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			dst, invalid = append(dst, `\ufffd`...), append(invalid, text[0])
		} else {
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst, invalid
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

// plain returns how many bytes from the start of text stand for themselves in
// a JSON string: printable ASCII but the quote and the backslash.
func plain(text []byte) int {
	n := 0
	for ; n+8 <= len(text); n += 8 {
		if other := otherBytes(binary.LittleEndian.Uint64(text[n:])); other != 0 {
			return n + bits.TrailingZeros64(other)/8
		}
	}
	for n < len(text) && plainByte(text[n]) {
		n++
	}
	return n
}

func plainByte(b byte) bool {
	return b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\'
}

// otherBytes looks at eight bytes at once. The lowest bit that it returns is in
// the first byte that is not plain: not ASCII, below the blank, or one of the
// two. Bits above it mean nothing.
func otherBytes(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return (w | (w - ones*' ') | (quote - ones) | (backslash - ones)) & tops
}
