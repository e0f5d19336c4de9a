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

// fields are the values of an entry as they stand in the line, without quotes.
type fields struct {
	log, stream, time, invalid []byte
	attrs                      map[string]string
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

// scanFields reads an object of strings, among which may be attrs, an object
// of strings itself.
func scanFields(line []byte) (fields, error) {
	var f fields
	s := scanner{rest: line}
	err := s.object(func(key []byte) error {
		if string(key) == "attrs" {
			attrs, err := s.attrs()
			f.attrs = attrs
			return err
		}
		value, err := s.str()
		switch string(key) {
		case "log":
			f.log = value
		case "stream":
			f.stream = value
		case "time":
			f.time = value
		case "invalid":
			f.invalid = value
		}
		return err
	})
	if err == nil && s.peek() != 0 {
		err = errDamaged
	}
	return f, err
}

// A scanner reads JSON from left to right.
type scanner struct{ rest []byte }

// peek returns the next byte that is not a blank, 0 for none or a NUL, which
// no JSON has.
func (s *scanner) peek() byte {
	for n, b := range s.rest {
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			s.rest = s.rest[n:]
			return b
		}
	}
	s.rest = nil
	return 0
}

// accept goes past b if it is next.
func (s *scanner) accept(b byte) bool {
	if s.peek() != b {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// object calls member for each key; it must read the value.
func (s *scanner) object(member func(key []byte) error) error {
	if !s.accept('{') {
		return errDamaged
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return errDamaged
		}
		if err := member(key); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return errDamaged
		}
	}
}

// str returns the inside of a string, as it stands there.
func (s *scanner) str() ([]byte, error) {
	if !s.accept('"') {
		return nil, errDamaged
	}
	for n := 0; n < len(s.rest); n++ {
		n += plain(s.rest[n:])
		if n == len(s.rest) || s.rest[n] < ' ' {
			break
		}
		switch s.rest[n] {
		case '"':
			inside := s.rest[:n:n]
			s.rest = s.rest[n+1:]
			return inside, nil
		case '\\':
			n++
		}
	}
	return nil, errDamaged
}

// attrs reads an object of strings.
func (s *scanner) attrs() (map[string]string, error) {
	attrs := map[string]string{}
	err := s.object(func(key []byte) error {
		value, err := s.str()
		if err != nil {
			return err
		}
		name, _, err := appendUnescaped(nil, key, nil)
		if err != nil {
			return err
		}
		text, _, err := appendUnescaped(nil, value, nil)
		attrs[string(name)] = string(text)
		return err
	})
	return attrs, err
}
