package idmap

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := parse("         0       1000          1\n         1     100000      65536\n")
	if want := []Range{{0, 1000, 1}, {1, 100000, 65536}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"0 1000", "0 1000 1 1", "a 0 1", "0 -1 1", "0 0 4294967296"} {
		if got, err := parse(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestHolds(t *testing.T) {
	r := Range{Container: 10, Size: 5}
	for id, want := range map[uint32]bool{9: false, 10: true, 14: true, 15: false} {
		if r.Holds(id) != want {
			t.Errorf("%d: want %v", id, want)
		}
	}
}

func TestReadOwn(t *testing.T) {
	ranges, err := Read("/proc/self/uid_map")
	if err != nil || len(ranges) == 0 || ranges[0].Size == 0 {
		t.Errorf("got %v, %v", ranges, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0 1000 1\n1 100000 65536\n")
	f.Add("0 0")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := parse(text)
		if err != nil && ranges != nil {
			t.Errorf("%q gives both %v and %v", text, ranges, err)
		}
	})
}
