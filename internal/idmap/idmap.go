// Package idmap reads the id maps of user namespaces.
package idmap

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Range is one line of a uid_map or gid_map: Size ids from Container on, inside
// the namespace, are the ids from Host on outside it, as the reader counts them.
type Range struct{ Container, Host, Size uint32 }

// Holds reports whether an id of the namespace is in the range.
func (r Range) Holds(id uint32) bool { return id >= r.Container && id-r.Container < r.Size }

// Read reads /proc/PID/uid_map or gid_map.
func Read(path string) ([]Range, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ranges, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ranges, nil
}

func parse(text string) ([]Range, error) {
	var ranges []Range
	for line := range strings.Lines(text) {
		var r Range
		words := strings.Fields(line)
		if len(words) != 3 {
			return nil, fmt.Errorf("%q has not three numbers", line)
		}
		for i, number := range []*uint32{&r.Container, &r.Host, &r.Size} {
			n, err := strconv.ParseUint(words[i], 10, 32)
			if err != nil {
				return nil, err
			}
			*number = uint32(n)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}
