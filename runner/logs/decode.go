package logs

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A decoder reads lines of the file. What it returns is valid until it is used
// again.
type decoder struct {
	text     []byte
	timeText []byte // of the last entry: a batch has one time, parsed once
	time     time.Time
}

// decode reads one line of the file, which may be anything.
func (d *decoder) decode(line []byte) (Entry, error) {
	var e Entry
	f, err := scanFields(line)
	if err != nil {
		return e, err
	}
	if e.Stream, err = streamNamed(f.stream); err != nil {
		return e, err
	}
	if e.Time, err = d.parseTime(f.time); err != nil {
		return e, err
	}
	if f.log == nil {
		return e, errDamaged
	}
	e.Attrs = f.attrs
	e.Text, err = d.restore(f.log, f.invalid)
	return e, err
}

func streamNamed(name []byte) (Stream, error) {
	switch string(name) {
	case "stdout":
		return Stdout, nil
	case "stderr":
		return Stderr, nil
	}
	return 0, errDamaged
}

func (d *decoder) parseTime(text []byte) (time.Time, error) {
	if len(text) > 0 && bytes.Equal(text, d.timeText) {
		return d.time, nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return t, fmt.Errorf("%w: %w", errDamaged, err)
	}
	d.timeText, d.time = append(d.timeText[:0], text...), t
	return t, nil
}

// restore returns what the container wrote: log without its escapes, each
// \ufffd of them replaced by the next byte of invalid.
func (d *decoder) restore(log, invalid []byte) ([]byte, error) {
	if len(invalid) == 0 && bytes.IndexByte(log, '\\') < 0 {
		return log, nil
	}
	bad, err := base64.StdEncoding.AppendDecode(nil, invalid)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	text, left, err := appendUnescaped(d.text[:0], log, bad)
	if len(left) > 0 && err == nil {
		err = errDamaged
	}
	d.text = text
	return text, err
}

// appendUnescaped appends the inside of a JSON string. As long as there are
// bytes in invalid, an escaped U+FFFD stands for the first of them; it returns
// those that are left.
func appendUnescaped(dst, s, invalid []byte) (text, left []byte, err error) {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 {
			return append(dst, s...), invalid, nil
		}
		dst, s = append(dst, s[:n]...), s[n:]
		r, size := unescape(s)
		switch {
		case size == 0:
			return dst, invalid, errDamaged
		case r == utf8.RuneError && len(invalid) > 0:
			dst, invalid = append(dst, invalid[0]), invalid[1:]
		default:
			dst = utf8.AppendRune(dst, r)
		}
		s = s[size:]
	}
}

// unescape reads the escape at the start of s and returns its length, 0 if
// it is none.
func unescape(s []byte) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] == 'u' {
		return unescapeUnicode(s)
	}
	const names, values = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := bytes.IndexByte([]byte(names), s[1])
	if i < 0 {
		return 0, 0
	}
	return rune(values[i]), 2
}

// unescapeUnicode reads \uXXXX, or two of them that are a surrogate pair. Half
// a pair is U+FFFD, as for encoding/json.
func unescapeUnicode(s []byte) (r rune, size int) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if second, ok := hex4(s[6:]); ok {
		if both := utf16.DecodeRune(r, second); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(n), err == nil
}
