package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are what --since and --until take besides durations and seconds.
// Without a zone, a time is the person's local one. Fractions of a second may
// follow wherever there are seconds.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02T15Z07:00", "2006-01-02T15", "2006-01-02Z07:00", "2006-01-02",
}

// parseTimestamp reads a time as Docker's --since does: a duration before now
// (10m, 1h30m), a date or time (2026-03-04, 2026-03-04T05:06:07Z), or seconds
// since 1970 with up to nine digits after a dot.
func parseTimestamp(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if t, ok := parseSeconds(s); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write a duration (10m), a date (2026-03-04), a time (2026-03-04T05:06:07Z) or seconds since 1970", s)
}

func parseSeconds(s string) (time.Time, bool) {
	whole, fraction, dot := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || dot && fraction == "" || len(fraction) > 9 {
		return time.Time{}, false
	}
	nanoseconds, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return time.Unix(seconds, int64(nanoseconds)), err == nil
}
