package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestImagesTable(t *testing.T) {
	e := Fresh(t, Ordinary)
	importSmall(t, e, "made:1")
	got := strings.Split(e.OK(t, "images"), "\n")
	if len(got) != 2 || strings.Join(strings.Fields(got[0]), " ") != "REPOSITORY TAG IMAGE ID CREATED SIZE" || strings.Index(got[0], "TAG") != strings.Index(got[1], "1 ") {
		t.Errorf("got %q", got)
	}
	if got := e.OK(t, "images", "--digests"); !strings.Contains(got, "DIGEST") || !strings.Contains(got, "sha256:") {
		t.Errorf("got %q", got)
	}
	var row map[string]string
	if err := json.Unmarshal([]byte(e.OK(t, "images", "--format", "json")), &row); err != nil || row["Repository"] != "made" || row["Tag"] != "1" {
		t.Errorf("got %v, %v", row, err)
	}
	for _, bad := range []string{"--filter=nothing", "--filter=color=blue", "--filter=dangling=perhaps", "--filter=before=nothing"} {
		code := 125
		if bad == "--filter=before=nothing" {
			code = 1 // it may be there tomorrow
		}
		if r := e.Run(t, "images", bad).Exits(t, code); strings.Count(r.Err, "\n") != 1 {
			t.Errorf("want one line: %s", r)
		}
	}
	for _, bad := range []string{"--format={{.Nothing}}", "--format={{"} {
		e.Run(t, "images", bad).Exits(t, 125)
	}
}
