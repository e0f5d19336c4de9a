package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rl-project/rl/runner/logs"
)

func TestLogPrinter(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 80, time.FixedZone("", 3600))
	entries := []logs.Entry{
		{Stream: logs.Stdout, Time: at, Text: []byte("one\n")},
		{Stream: logs.Stderr, Time: at, Text: []byte("error\n"), Attrs: map[string]string{"b": "x y", "a": "1"}},
		{Stream: logs.Stdout, Time: at, Text: []byte("two ")},
		{Stream: logs.Stderr, Time: at, Text: []byte("\n")},
		{Stream: logs.Stdout, Time: at, Text: []byte("pieces\n")},
	}
	for _, c := range []struct {
		name string
		logPrinter
		want string
	}{
		{"as it was", logPrinter{}, "one\nerror\ntwo \npieces\n"},
		{"at once", logPrinter{atOnce: true}, "one\nerror\ntwo \npieces\n"},
		{"with times", logPrinter{timestamps: true},
			"2026-03-04T04:06:07.000000080Z one\n2026-03-04T04:06:07.000000080Z error\n2026-03-04T04:06:07.000000080Z two 2026-03-04T04:06:07.000000080Z \npieces\n"},
		{"with details", logPrinter{details: true}, " one\na=1,b=x+y error\n two  \npieces\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "printed")
			p := c.logPrinter
			p.out, p.err = appendTo(t, path), appendTo(t, path)
			for i, e := range entries {
				if err := p.print(e); err != nil {
					t.Fatal(err)
				}
				if printed, _ := os.ReadFile(path); p.atOnce && i == 0 && string(printed) != "one\n" {
					t.Errorf("after the first entry: %q", printed)
				}
			}
			if err := p.flush(); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func appendTo(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestLogsFlags(t *testing.T) {
	for _, c := range []struct {
		tail string
		want int
	}{{"all", logs.All}, {"0", 0}, {"12", 12}, {"-1", -1}} {
		if o, err := (&logsCmd{Tail: c.tail}).options(); err != nil || o.Tail != c.want {
			t.Errorf("--tail %s is %d, %v", c.tail, o.Tail, err)
		}
	}
	for _, c := range []logsCmd{{Tail: ""}, {Tail: "some"}, {Tail: "1.5"}, {Tail: "all", Since: "x"}, {Tail: "all", Until: "x"}} {
		if o, err := c.options(); err == nil {
			t.Errorf("%+v is %+v", c, o)
		}
	}
}

func TestJournalEntry(t *testing.T) {
	e, err := journalEntry([]byte(`{"MESSAGE":"hello","PRIORITY":"3","__REALTIME_TIMESTAMP":"1700000000000001"}`))
	if err != nil || string(e.Text) != "hello\n" || e.Stream != logs.Stderr || e.Time.UnixMicro() != 1700000000000001 {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = journalEntry([]byte(`{"MESSAGE":[104,255],"CONTAINER_PARTIAL_MESSAGE":"true","__REALTIME_TIMESTAMP":"1"}`))
	if err != nil || string(e.Text) != "h\xff" || e.Stream != logs.Stdout {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := journalEntry([]byte("{")); err == nil {
		t.Error("half a message was accepted")
	}
}
