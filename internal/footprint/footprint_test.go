package footprint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const maps = `00400000-0074e000 r-xp 00000000 fe:00 9980168                            /usr/bin/rl
0074e000-00ae1000 r--p 0034e000 fe:00 9980168                            /usr/bin/rl
00ae1000-00b2c000 rw-p 006e1000 fe:00 9980168                            /usr/bin/rl
00b2c000-02b6e000 rw-p 00000000 00:00 0 
7f41bf7ee000-7f41bf944000 r-xp 00026000 fe:00 326269                     /usr/lib/libc.so.6
7fffaa658000-7fffaa679000 rw-p 00000000 00:00 0                          [stack]
nonsense
`

func TestProgramPagesAreReadOnlyOnes(t *testing.T) {
	tests := []struct {
		relocated bool
		want      []pages
	}{
		{false, []pages{{0x400000, 0x74e000}, {0x74e000, 0xae1000}}},
		{true, []pages{{0x400000, 0x74e000}}},
	}
	for _, test := range tests {
		got := programPages(strings.NewReader(maps), "/usr/bin/rl", test.relocated)
		if !slices.Equal(got, test.want) {
			t.Errorf("relocated %v: got %x, want %x", test.relocated, got, test.want)
		}
	}
}

// residentFile is how much of files the process has mapped, in kB.
func residentFile(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "RssFile:"); found {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}

func TestReleaseMakesTheProcessSmaller(t *testing.T) {
	before := residentFile(t)
	if err := giveBack(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after >= before {
		t.Errorf("%d kB of files mapped before, %d kB after", before, after)
	}
}

func FuzzProgramPages(f *testing.F) {
	f.Add(maps, "/usr/bin/rl")
	f.Fuzz(func(t *testing.T, maps, program string) {
		for _, r := range programPages(strings.NewReader(maps), program, false) {
			if r.end <= r.start {
				t.Errorf("%x ends before it begins", r)
			}
		}
	})
}
