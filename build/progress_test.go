package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPicture(t *testing.T) {
	began := time.Unix(1000, 0)
	step := func(number int, title string, took time.Duration) *liveStep {
		l := &stepLog{number: number, title: title, began: began}
		if took > 0 {
			l.ended = began.Add(took)
		}
		return &liveStep{stepLog: l}
	}
	from, cached, running := step(1, "[1/3] FROM alpine", time.Second), step(2, "[2/3] COPY a very long list of files /", 1), step(3, "[3/3] RUN make", 0)
	cached.cached = true
	running.lines = []string{"one", "two", "three"}
	d := &live{began: began, steps: []*liveStep{from, cached, running}}
	for _, c := range []struct {
		columns, rows int
		want          string
	}{
		{40, 24, `
[+] Building 2.5s (2/3)
 => [1/3] FROM alpine               1.0s
 => CACHED [2/3] COPY a very long l 0.0s
 => [3/3] RUN make                  2.5s
 => => # one
 => => # two
 => => # three`},
		{22, 5, `
[+] Building 2.5s (2/3
 => CACHED [2/3] COPY 
 => [3/3] RUN make
 => => # three`},
		{40, 3, `
[+] Building 2.5s (2/3)
 => [3/3] RUN make                  2.5s`},
	} {
		got := strings.Join(d.picture(began.Add(2500*time.Millisecond), TerminalSize{c.columns, c.rows}, false), "\n")
		if got != strings.TrimPrefix(c.want, "\n") {
			t.Errorf("%d columns, %d rows:\n%s", c.columns, c.rows, got)
		}
	}
	running.ended, running.err = began.Add(3*time.Second), errors.New("exit code: 1")
	got := d.picture(began.Add(3*time.Second), TerminalSize{40, 100}, true)
	if got[0] != "[+] Building 3.0s (3/3) FINISHED" || got[3] != " => ERROR [3/3] RUN make            3.0s" {
		t.Errorf("at the end %q", got)
	}
}

// A picture is drawn over the one before, also when the terminal became narrower.
func TestPictureReplaced(t *testing.T) {
	var out bytes.Buffer
	d := &live{out: &out}
	d.replace([]string{strings.Repeat("x", 80), "y"}, 80)
	out.Reset()
	d.replace([]string{"z"}, 40)
	if got := out.String(); !strings.HasPrefix(got, "\x1b[3A\r\x1b[J") {
		t.Errorf("got %q", got)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "\x1b[1;31mred\x1b[0m!": "red!", "10%\r20%": "20%", "a\tb\a": "a    b", "\x1b": "", "\x1b[31": "", "é\xff": "é\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q gave %q", text, got)
		}
	}
}

func TestProgressAsLines(t *testing.T) {
	tell := func(p *Progress) {
		l := p.begin("[1/2] RUN make")
		_, _ = l.Write([]byte("half"))
		l.done(errors.New("exit code: 2"))
		p.begin("[2/2] COPY").fromCache()
		p.Close()
	}
	var out bytes.Buffer
	tell(NewProgress(&out))
	if got := out.String(); got != "#1 [1/2] RUN make\n#1 0.000 half\n#1 ERROR: exit code: 2\n\n#2 [2/2] COPY\n#2 CACHED\n" {
		t.Errorf("got %q", got)
	}
	out.Reset()
	tell(NewJSONProgress(&out))
	var last jsonStatus
	var logs string
	for lines := json.NewDecoder(&out); lines.More(); {
		last = jsonStatus{}
		if err := lines.Decode(&last); err != nil {
			t.Fatal(err)
		}
		for _, l := range last.Logs {
			logs += string(l.Data)
		}
	}
	if v := last.Vertexes; len(v) != 1 || !v[0].Cached || v[0].Completed == nil || logs != "half\n" {
		t.Errorf("got %+v, %q", last, logs)
	}
}
