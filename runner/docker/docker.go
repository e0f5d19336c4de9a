// Package docker describes containers in Docker's words: rows for `ps` and the
// object of `inspect`, with the names and texts that people's scripts and
// templates know.
//
// It does not talk to Docker, and it decides nothing: everything is read from
// what the runner has stored. Callers may be on either side of the user
// namespace.
package docker

import (
	"strings"
	"time"

	"github.com/rl-project/rl/runner"
)

// runs reports whether the container has processes, frozen ones too.
func runs(v runner.View) bool { return v.Active() }

// rfc3339 writes a time as Docker does; the zero time is that of year 1.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// shortID is the part of an id that people use.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// ellipsis shortens s to n characters.
func ellipsis(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
