package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSystemDf(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "run", "--name", "ended", "-v", "data:/data", Image, "sh", "-c", "head -c 1000 /dev/zero >/data/a; head -c 500 /dev/zero >/b")
	e.OK(t, "run", "-d", "--name", "up", Image, "sleep", "1000")
	e.OK(t, "volume", "create", "empty")
	rows := strings.Split(e.OK(t, "system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}"), "\n")
	if len(rows) != 4 {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	if !strings.HasPrefix(rows[0], "Images|1|1|") || !strings.HasSuffix(rows[0], "|0B (0%)") {
		t.Errorf("images: %s", rows[0])
	}
	for i, want := range []string{"Containers|2|1|500B|500B (100%)", "Local Volumes|2|1|1kB|0B (0%)", "Build Cache|0|0|0B|0B"} {
		if rows[i+1] != want {
			t.Errorf("got %s, want %s", rows[i+1], want)
		}
	}
	if table := e.OK(t, "system", "df"); !strings.HasPrefix(table, "TYPE ") || len(strings.Split(table, "\n")) != 5 {
		t.Errorf("the table is\n%s", table)
	}
	whole := e.OK(t, "system", "df", "-v")
	for _, words := range []string{"Images space usage:", "SHARED SIZE", "Containers space usage:", "LOCAL VOLUMES", "Local Volumes space usage:", "LINKS", "Build cache usage: 0B"} {
		if !strings.Contains(whole, words) {
			t.Errorf("no %q in\n%s", words, whole)
		}
	}
	var report struct {
		Images     []struct{ UniqueSize, Containers string }
		Containers []struct{ Names, Size string }
		Volumes    []struct{ Name, Links, Size string }
	}
	if err := json.Unmarshal([]byte(e.OK(t, "system", "df", "-v", "--format", "json")), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Containers) != 2 || len(report.Volumes) != 2 || report.Volumes[0].Links != "1" || report.Volumes[0].Size != "1kB" || report.Volumes[1].Links != "0" {
		t.Errorf("as JSON: %+v", report)
	}
	e.Run(t, "system", "df", "extra").Exits(t, 125).Says(t, "extra")
	e.OK(t, "rm", "-f", "ended", "up")
	e.OK(t, "volume", "rm", "data", "empty")
}
