package logs

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestDecodeWhatOthersWrite(t *testing.T) {
	for _, c := range []struct {
		line, text string
		attrs      map[string]string
	}{
		{`{"log":"a\n","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}`, "a\n", nil},
		{`{"log":"a\n","stream":"stdout","attrs":{"tag":"x\"y","b":""},"time":"2026-03-04T05:06:07.000000008Z"}`, "a\n", map[string]string{"tag": `x"y`, "b": ""}},
		{` { "time" : "2026-03-04T06:06:07.000000008+01:00" , "stream":"stdout","log":"\u003cb\u003e\u2028\ud83d\ude00\/"} ` + "\r", "<b>\u2028😀/", nil},
		{`{"log":"\ud83d \ufffd","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z","other":"x"}`, "\ufffd \ufffd", nil},
		{`{"log":"","stream":"stdout","time":"2026-03-04T05:06:07.000000008Z","attrs":{}}`, "", map[string]string{}},
	} {
		e, err := new(decoder).decode([]byte(c.line))
		if err != nil || string(e.Text) != c.text || !e.Time.Equal(theTime) || !reflect.DeepEqual(e.Attrs, c.attrs) {
			t.Errorf("%s is %q %v %v, %v", c.line, e.Text, e.Time, e.Attrs, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const rest = `"stream":"stdout","time":"2026-03-04T05:06:07.000000008Z"}`
	for _, line := range []string{
		"", "{}", "null", "\x00\x00", `{"log":"a`, `{"log":"a\`, `{"log":"a\n"}`,
		`{` + rest, `{"log":1,` + rest, `{"log":"\q",` + rest, `{"log":"\u12",` + rest, `{"log":"\u12x4",` + rest,
		`{"log":"a",` + rest + `{"log":"b"`, `{"log":"a"` + rest, `{"log" "a",` + rest, `{"log":"a",,` + rest,
		`{"log":"a","invalid":"!",` + rest, `{"log":"a","invalid":"AA==",` + rest, `{"log":"a","attrs":1,` + rest, `{"log":"a","attrs":{"a":"\x"},` + rest,
		`{"log":"a","stream":"stdin","time":"2026-03-04T05:06:07Z"}`, `{"log":"a","stream":"stdout","time":"yesterday"}`,
		"{\"log\":\"a\nb\"," + rest,
	} {
		if e, err := new(decoder).decode([]byte(line)); err == nil {
			t.Errorf("%q is %+v", line, e)
		}
	}
}

// Whatever is in the file, decoding does not crash, and what it accepts is
// what encoding/json makes of it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"log":"a\n","stream":"stdout","attrs":{"k":"v"},"time":"2026-03-04T05:06:07.000000008Z"}`))
	f.Add([]byte(`{"log":"\ufffd\ud800\udc00","stream":"stderr","time":"2026-03-04T05:06:07Z","invalid":"/w=="}`))
	f.Add([]byte(`{"log":"\ufffd","invalid":"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var d decoder
		e, err := d.decode(line)
		if err != nil || !utf8.Valid(line) {
			return
		}
		var others map[string]any
		if err := json.Unmarshal(line, &others); err != nil {
			t.Fatalf("accepted %q: %v", line, err)
		}
		if others["invalid"] == nil && others["log"] != string(e.Text) {
			t.Errorf("%q: log is %q, want %q", line, e.Text, others["log"])
		}
		if others["stream"] != e.Stream.String() {
			t.Errorf("%q: stream is %v", line, e.Stream)
		}
	})
}
