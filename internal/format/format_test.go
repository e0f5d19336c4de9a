package format

import (
	"strings"
	"testing"
)

type row struct{ ID, Name string }

func TestList(t *testing.T) {
	header := row{"ID", "NAME"}
	rows := []row{{"1", "one"}, {"2222222222222", "two"}}
	for _, c := range []struct{ format, want string }{
		{"", "ID              NAME\n1               one\n2222222222222   two\n"},
		{"table", "ID              NAME\n1               one\n2222222222222   two\n"},
		{`table {{.Name}}\t{{.ID}}`, "NAME      ID\none       1\ntwo       2222222222222\n"},
		{`table {{lower .Name}}\t{{truncate .ID 1}}`, "NAME      ID\none       1\ntwo       2\n"},
		{"json", `{"ID":"1","Name":"one"}` + "\n" + `{"ID":"2222222222222","Name":"two"}` + "\n"},
		{"{{.Name}}", "one\ntwo\n"},
		{`{{upper .Name | printf "%s!"}} {{truncate .ID 3}}`, "ONE! 1\nTWO! 222\n"},
		{`{{.ID}}{{"\n\ttwice"}}\t{{.ID}}`, "1\n\ttwice\t1\n2222222222222\n\ttwice\t2222222222222\n"},
		{`{{json .Name}}{{pad (title .Name) 1 2}}|`, "\"one\" One  |\n\"two\" Two  |\n"},
	} {
		var out strings.Builder
		if err := List(&out, c.format, "{{.ID}}\t{{.Name}}", header, rows); err != nil || out.String() != c.want {
			t.Errorf("%q: %v\ngot  %q\nwant %q", c.format, err, out.String(), c.want)
		}
	}
}

func TestListRefuses(t *testing.T) {
	for _, format := range []string{"{{.Name", "{{.Nothing}}", "{{nothing .}}"} {
		var out strings.Builder
		if err := List(&out, format, "", row{}, []row{{}}); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, printed %q", format, err, out.String())
		}
	}
}

func TestValuesByJSONNames(t *testing.T) {
	type value struct {
		Identity string `json:"Id"`
		Inner    struct {
			Size int64 `json:"size"`
		}
	}
	v := value{Identity: "x"}
	v.Inner.Size = 5000000
	for format, want := range map[string]string{
		"{{.Id}}":         "x\n",
		"{{.Identity}}":   "x\n",
		"{{.Inner.size}}": "5000000\n",
		"{{.Inner.Size}}": "5000000\n",
	} {
		var out strings.Builder
		if err := Values(&out, format, []value{v}); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", format, out.String(), err)
		}
	}
	if err := Values(new(strings.Builder), "{{.Nothing.More}}", []value{v}); err == nil {
		t.Error("a name that is nowhere was taken")
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		format string
		values []row
		want   string
	}{
		{"", nil, "[]\n"},
		{"", []row{{"<1>", ""}}, "[\n    {\n        \"ID\": \"<1>\",\n        \"Name\": \"\"\n    }\n]\n"},
		{"json", []row{{"1", "a"}}, "{\"ID\":\"1\",\"Name\":\"a\"}\n"},
		{"{{.ID}}", []row{{"1", ""}, {"2", ""}}, "1\n2\n"},
	} {
		var out strings.Builder
		if err := Values(&out, c.format, c.values); err != nil || out.String() != c.want {
			t.Errorf("%q: %v\ngot  %q\nwant %q", c.format, err, out.String(), c.want)
		}
	}
}
