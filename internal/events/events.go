// Package events keeps the record of what happened to containers, images,
// volumes and networks: every process of rl adds to it, anybody may read it.
//
// The record is a folder of files with one JSON object per line. Whoever has
// something to say opens the newest file, appends a line with one write, and
// closes it again: the kernel does one append after the other, so writers need
// no lock and no process in charge, and being killed leaves at most one line
// that readers skip. The file that has become large is renamed and the oldest
// one removed, so that the record stays below a few megabytes.
//
// The record is for people and their scripts. rl itself decides nothing by it:
// on a full disk events are lost and everything else goes on.
package events

import (
	"path/filepath"
	"time"
)

// Type says what kind of object an event is about.
type Type string

// The types that events have here, of those that Docker has.
const (
	Container Type = "container"
	Image     Type = "image"
	Network   Type = "network"
	Volume    Type = "volume"
)

// Event is one thing that happened. Its JSON is that of Docker's messages.
type Event struct {
	// Status, ID and From repeat Action, Actor.ID and the image's name, for
	// containers and images only. They are not stored; Read sets them.
	Status string `json:"status,omitempty"`
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`

	Type   Type
	Action string // "create", "exec_start: sh -c date"
	Actor  Actor
	Scope  string `json:"scope"` // always "local"

	Time     int64 `json:"time"`     // seconds since 1970
	TimeNano int64 `json:"timeNano"` // the same moment in nanoseconds
}

// Actor is the object that something happened to.
type Actor struct {
	ID         string            // a name, where the object has no other id
	Attributes map[string]string // its name, labels, exit code and the like
}

// When returns the moment of the event.
func (e Event) When() time.Time { return time.Unix(0, e.TimeNano) }

// complete sets the members that are not stored.
func (e *Event) complete() {
	if e.Type != Container && e.Type != Image {
		return
	}
	e.Status, e.ID = e.Action, e.Actor.ID
	if e.Type == Container {
		e.From = e.Actor.Attributes["image"]
	}
}

// Log is a person's record of events.
type Log struct {
	folder string
	limit  int64 // bytes in a file before it is set aside
}

// In returns the record that lies in rl's data folder.
func In(data string) Log { return Log{filepath.Join(data, "events"), fileLimit} }

const (
	// fileLimit holds some ten thousand events.
	fileLimit = 4 << 20
	// setAside is how many older files there are beside the newest.
	setAside = 3
)

// newest is the name of the file that is written to. The others have the time
// at which they were set aside before the ending.
const (
	newest = "events.jsonl"
	ending = ".jsonl"
)
