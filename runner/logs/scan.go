package logs

// fields are the values of an entry as they stand in the line, without quotes.
type fields struct {
	log, stream, time, invalid []byte
	attrs                      map[string]string
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
