package main

import (
	"testing"
	"time"
)

func TestParseTimestamp(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	local := func(hour, minute, second, nanosecond int) time.Time {
		return time.Date(2026, 1, 2, hour, minute, second, nanosecond, time.Local)
	}
	for s, want := range map[string]time.Time{
		"10m":                           now.Add(-10 * time.Minute),
		"1h30m":                         now.Add(-90 * time.Minute),
		"1.5s":                          now.Add(-1500 * time.Millisecond),
		"-1h":                           now.Add(time.Hour),
		"2026-01-02T15:04:05Z":          time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		"2026-01-02T15:04:05.25Z":       time.Date(2026, 1, 2, 15, 4, 5, 250_000_000, time.UTC),
		"2026-01-02T15:04:05.000000001": local(15, 4, 5, 1),
		"2026-01-02T15:04:05+01:00":     time.Date(2026, 1, 2, 14, 4, 5, 0, time.UTC),
		"2026-01-02T15:04:05":           local(15, 4, 5, 0),
		"2026-01-02T15:04":              local(15, 4, 0, 0),
		"2026-01-02T15":                 local(15, 0, 0, 0),
		"2026-01-02T15:04Z":             time.Date(2026, 1, 2, 15, 4, 0, 0, time.UTC),
		"2026-01-02Z":                   time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		"2026-01-02":                    local(0, 0, 0, 0),
		"1136073845":                    time.Unix(1136073845, 0),
		"1136073845.000000001":          time.Unix(1136073845, 1),
		"1136073845.5":                  time.Unix(1136073845, 500_000_000),
	} {
		if got, err := parseTimestamp(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "2026-13-01", "12.", ".5", "1.0000000001", "1.-5", "1.+5", "10:00", "0x10"} {
		if got, err := parseTimestamp(s, now); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"10m", "2026-01-02T15:04:05.25Z", "1136073845.5", "2026-01-02"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseTimestamp(s, time.Unix(0, 0)); err != nil && !got.IsZero() {
			t.Errorf("%q is %v and %v", s, got, err)
		}
	})
}
