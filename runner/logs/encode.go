package logs

import (
	"encoding/base64"
	"encoding/binary"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC3339Nano with all nine digits.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

const (
	entryBegin = `{"log":"`
	hexDigits  = "0123456789abcdef"
)

// appendTrailer appends what follows the text in each line of a stream that is
// logged at that time: it is made once for all lines that came together.
func appendTrailer(dst []byte, s Stream, t time.Time) []byte {
	dst = append(dst, `\n","stream":"`...)
	dst = append(dst, s.String()...)
	dst = append(dst, `","time":"`...)
	dst = t.UTC().AppendFormat(dst, timeLayout)
	return append(dst, "\"}\n"...)
}

// appendEntry appends one line of the file. The trailer begins with the
// escaped newline; an entry without one is given the trailer without it.
func appendEntry(dst, text, trailer []byte) []byte {
	dst = append(dst, entryBegin...)
	n := plain(text)
	dst = append(dst, text[:n]...)
	if n == len(text) {
		return append(dst, trailer...)
	}
	dst, invalid := appendEscaped(dst, text[n:])
	if invalid == nil {
		return append(dst, trailer...)
	}
	dst = append(dst, trailer[:len(trailer)-len("}\n")]...)
	dst = append(dst, `,"invalid":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, invalid)
	return append(dst, "\"}\n"...)
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
	for n+8 <= len(text) && plainWord(binary.LittleEndian.Uint64(text[n:])) {
		n += 8
	}
	for n < len(text) && plainByte(text[n]) {
		n++
	}
	return n
}

func plainByte(b byte) bool {
	return b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\'
}

// plainWord is plainByte for eight bytes at once: the top bit of a byte of the
// sum is set where that byte is not ASCII, below the blank, or equal to one of
// the two. A false "no" is possible after a real one only.
func plainWord(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return (w|(w-ones*' ')|(quote-ones)|(backslash-ones))&tops == 0
}
