package build

import (
	"encoding/json"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// NewJSONProgress prints one JSON text a line to out, as docker build does with
// --progress rawjson: the state of a step (a vertex) or a line of its output.
func NewJSONProgress(out io.Writer) *Progress {
	run := newID()
	return &Progress{to: &jsonLines{json.NewEncoder(out), run}}
}

type jsonLines struct {
	out *json.Encoder
	run string // makes digests of this build
}

// jsonStatus, jsonVertex and jsonLog are the parts of BuildKit's SolveStatus that
// are used here.
type jsonStatus struct {
	Vertexes []jsonVertex `json:"vertexes,omitempty"`
	Logs     []jsonLog    `json:"logs,omitempty"`
}

type jsonVertex struct {
	Digest    digest.Digest `json:"digest"`
	Name      string        `json:"name"`
	Started   time.Time     `json:"started"`
	Completed *time.Time    `json:"completed,omitempty"`
	Cached    bool          `json:"cached,omitempty"`
	Error     string        `json:"error,omitempty"`
}

type jsonLog struct {
	Vertex    digest.Digest `json:"vertex"`
	Stream    int           `json:"stream"` // as of a file descriptor; errors and output share one
	Data      []byte        `json:"data"`   // encoded in base64
	Timestamp time.Time     `json:"timestamp"`
}

func (j *jsonLines) show(c change) {
	id := digest.FromString(keyOf(j.run, c.number, c.title))
	if c.kind == said || c.kind == noted {
		_ = j.out.Encode(jsonStatus{Logs: []jsonLog{{id, 1, []byte(c.text + "\n"), time.Now().UTC()}}})
		return
	}
	v := jsonVertex{Digest: id, Name: c.title, Started: c.began.UTC(), Cached: c.cached}
	if c.kind == ended {
		at := c.ended.UTC()
		v.Completed = &at
	}
	if c.err != nil {
		v.Error = c.err.Error()
	}
	_ = j.out.Encode(jsonStatus{Vertexes: []jsonVertex{v}})
}

func (j *jsonLines) pause() {}
func (j *jsonLines) close() {}
