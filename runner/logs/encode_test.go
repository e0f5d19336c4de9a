package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// encode returns one line of the file, as the Writer makes it.
func encode(s Stream, text []byte) []byte {
	trailer := appendTrailer(nil, s, nil, theTime)
	body, whole := bytes.CutSuffix(text, []byte("\n"))
	if !whole {
		trailer = trailer[len(`\n`):]
	}
	line := appendEntry([]byte(entryBegin), body, trailer)
	return line[:len(line)-len(entryBegin)]
}

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		stream     Stream
		text, want string
	}{
		{Stdout, "hello\n", `{"log":"hello\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}`},
		{Stderr, "no end", `{"log":"no end","stream":"stderr","time":"2026-03-04T05:06:07.000000008Z"}`},
		{Stdout, "\n", `{"log":"\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}`},
		{Stdout, "a \"b\" \\ \t\r\x1b[0m ü €\n", `{"log":"a \"b\" \\ \t\r\u001b[0m ü €\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}`},
		{Stdout, "a\xffb\xfe\n", `{"log":"a\ufffdb\ufffd\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z","invalid":"//4="}`},
	} {
		if got := string(encode(c.stream, []byte(c.text))); got != c.want+"\n" {
			t.Errorf("%q is\n%swant\n%s", c.text, got, c.want)
		}
	}
}

// What is written is JSON for everybody, with what Docker would have written
// in its "log", and for this package it is the same bytes again.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "x", "\n", "12345678\"", "1234567\x80", "\xef\xbf\xbd\xff", "\u2028<&>\x7f\x00", "\xed\xa0\x80", "\xf0\x9f\x98"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, end bool) {
		text = bytes.ReplaceAll(text, []byte("\n"), nil)
		if end {
			text = append(text, '\n')
		}
		line := encode(Stderr, text)
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("not one line: %q", line)
		}
		var others struct {
			Log, Stream string
			Time        time.Time
		}
		if err := json.Unmarshal(line, &others); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if want := string([]rune(string(text))); others.Log != want || others.Stream != "stderr" || !others.Time.Equal(theTime) {
			t.Errorf("others read %+v, want %q", others, want)
		}
		e, err := new(decoder).decode(line[:len(line)-1])
		if err != nil || !bytes.Equal(e.Text, text) || e.Stream != Stderr || !e.Time.Equal(theTime) {
			t.Errorf("decoded %q to %+v, %v", line, e, err)
		}
	})
}

func TestPlain(t *testing.T) {
	for b := range 256 {
		for at := range 20 {
			text := []byte(strings.Repeat("~", 20))
			text[at] = byte(b)
			want := 20
			if !plainByte(byte(b)) {
				want = at
			}
			if got := plain(text); got != want {
				t.Fatalf("plain(%q) = %d, want %d", text, got, want)
			}
		}
	}
}
