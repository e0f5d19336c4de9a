package logs

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
)

var theContainer = About{
	Container: "0123456789abcdef", Called: "web", Image: "nginx", Digest: "sha256:fedcba9876543210", Executes: "nginx -g x",
	Labels: map[string]string{"tier": "front", "team": "red", "x": "y"}, Environment: []string{"PATH=/bin", "MODE=a=b"},
}

func TestSelect(t *testing.T) {
	for opts, want := range map[string]map[string]string{
		"labels=tier,gone":       {"tier": "front"},
		"labels-regex=^te":       {"team": "red"},
		"env=MODE labels=x":      {"MODE": "a=b", "x": "y"},
		"env-regex=^P labels=no": {"PATH": "/bin"},
		"max-file=2":             {},
	} {
		o, err := ParseOptions(JSONFile, strings.Fields(opts))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.Select.Of(theContainer); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %q, %v", opts, got, err)
		}
	}
}

func TestTag(t *testing.T) {
	o, err := ParseOptions(Journald, []string{"tag={{.ImageName}}/{{.Name}}/{{.ID}}/{{.ImageID}}"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := o.Select.TagOf(theContainer); err != nil || got != "nginx/web/0123456789ab/fedcba987654" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"tag={{.Nonsense}}", "tag={{", "labels-regex=(", "env-regex=["} {
		if _, err := ParseOptions(JSONFile, []string{bad}); !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Entries are as Docker writes them, and read back with their attributes.
func TestAttrsInTheFile(t *testing.T) {
	path := t.TempDir() + "/log"
	w, err := Open(path, Options{Attrs: map[string]string{"tag": `<"a">`, "b": "c"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Stream(Stdout).Write([]byte("plain\n\xff\nunfinished"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if line, _, _ := strings.Cut(string(text), "\n"); !strings.HasPrefix(line, `{"log":"plain\n","stream":"stdout","attrs":{"b":"c","tag":"\u003c\"a\"\u003e"},"time":"2`) {
		t.Errorf("the file has %s", line)
	}
	var read []string
	err = Read(t.Context(), path, ReadOptions{Tail: All}, func(e Entry) error {
		read = append(read, string(e.Text)+e.Attrs["tag"]+e.Attrs["b"])
		return nil
	})
	if want := "plain\n<\"a\">c|\xff\n<\"a\">c|unfinished<\"a\">c"; err != nil || strings.Join(read, "|") != want {
		t.Errorf("read %q, %v", read, err)
	}
}

func TestAttrsAreBounded(t *testing.T) {
	_, err := Open(t.TempDir()+"/log", Options{Attrs: map[string]string{"a": strings.Repeat("x", maxAttrs)}}, nil)
	if !errors.Is(err, ErrOption) {
		t.Error(err)
	}
}

func TestJournalFieldsOfAttrs(t *testing.T) {
	o := Options{Attrs: map[string]string{"com.example-x": "1", "_HOSTNAME": "2", "CONTAINER_ID": "3"}, Fields: map[string]string{"CONTAINER_ID": "4"}}
	if got := o.journalFields(); !maps.Equal(got, map[string]string{"COM_EXAMPLE_X": "1", "HOSTNAME": "2", "CONTAINER_ID": "4"}) {
		t.Error(got)
	}
}
