package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// members say which members of a JSON object are wanted: each is a pointer to
// decode into, or the members wanted of an object in it.
type members map[string]any

var errNotObject = errors.New("it is not a JSON object")

// pick decodes the wanted members of the JSON object in data and passes over
// the others without reading them, several times faster than encoding/json
// can. What it passes over may be malformed: data is for files that rl wrote.
func pick(data []byte, want members) error {
	i := blank(data, 0)
	if i >= len(data) || data[i] != '{' {
		return errNotObject
	}
	for i = blank(data, i+1); i < len(data) && data[i] == '"'; {
		end := skip(data, i)
		key := data[i+1 : max(end-1, i+1)]
		i = blank(data, end)
		if i >= len(data) || data[i] != ':' {
			return errNotObject
		}
		i = blank(data, i+1)
		end = skip(data, i)
		if target, ok := want[string(key)]; ok {
			if err := decode(data[i:end], target); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if i = blank(data, end); i < len(data) && data[i] == ',' {
			i = blank(data, i+1)
		}
	}
	if i >= len(data) || data[i] != '}' {
		return errNotObject
	}
	return nil
}

func decode(data []byte, target any) error {
	if m, ok := target.(members); ok {
		return pick(data, m)
	}
	return json.Unmarshal(data, target)
}

// skip returns the index after the value that begins at i, len(data) if it
// does not end.
func skip(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':', ' ', '\n', '\t', '\r':
			continue
		default:
			i = skipWord(data, i) - 1
		}
		if depth <= 0 {
			return min(i+1, len(data))
		}
	}
	return len(data)
}

// skipString returns the index after the string that begins at i.
func skipString(data []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(data[min(i, len(data)):], '"')
		if n < 0 {
			return len(data)
		}
		i += n + 1
		if !escaped(data, i-1) {
			return i
		}
	}
}

// escaped reports whether an odd number of backslashes stands before i.
func escaped(data []byte, i int) bool {
	n := 0
	for i-n > 0 && data[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// skipWord returns the index after the number or literal that begins at i.
func skipWord(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case ',', ':', ']', '}', '"', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

func blank(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}
