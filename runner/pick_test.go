package runner

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestPick(t *testing.T) {
	const text = ` { "skipped" : {"a":[1,{"b":"}]\\"}],"c":"\""} , "A":"x\\\"y", "number":-1.5e3,
		"B" : {"no":[[]],"In":[1, 2] ,"C":{"D":true}}, "null":null,"last":false } `
	var a string
	var in []int
	var d, untouched bool
	err := pick([]byte(text), members{
		"A": &a, "B": members{"In": &in, "C": members{"D": &d}}, "missing": &untouched,
	})
	if err != nil || a != `x\"y` || !reflect.DeepEqual(in, []int{1, 2}) || !d || untouched {
		t.Errorf("%v: %q %v %v %v", err, a, in, d, untouched)
	}
}

func TestPickRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `null`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"A":}`, `{"A":tru}`, `{"A":"x}`, `{"A":{"B":1}`, `{A:1}`,
	} {
		var a bool
		if err := pick([]byte(text), members{"A": &a}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// Whatever encoding/json reads, pick reads the same.
func FuzzPick(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"A":"b\\","B":{"A":[1,2,{}]}}`, `{"C":[{"A":1}],"A":"}"}`, `{"A":`, "{\"\\\"\":\"\",\"A\":\"\xff\"}", `{"A":"","A":"x"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a json.RawMessage
		err := pick(data, members{"A": &a})
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil || bytes.Contains(data, []byte(`\u`)) {
			return // keys are compared as they stand
		}
		if err != nil || string(a) != string(want["A"]) {
			t.Errorf("%q: %v: got %q, want %q", data, err, a, want["A"])
		}
	})
}
