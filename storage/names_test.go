package storage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesLost(t *testing.T) {
	home := t.TempDir()
	a, b, c := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	list := `[{"id":"` + a + `","digest":"sha256:x","names":["docker.io/library/alpine:3.20","localhost:5000/x:latest"],"layer":"{"},` +
		`{"id":"` + b + `","names-history":["docker.io/library/old:latest"],"layer":"l"}]`
	if err := os.Mkdir(filepath.Join(home, "overlay-images"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "overlay-images", "images.json"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Store{Containers: filepath.Join(home, "overlay-containers", "containers.json")}
	n := new(Names)
	for _, tt := range []struct {
		id, ref string
		want    bool
	}{
		{a, "alpine:3.20", false}, {a, "docker.io/library/alpine:3.20", false}, {a, "localhost:5000/x", false},
		{a, "alpine", true}, {b, "old", true}, {b, "alpine:3.20", true},
		{a, a, false}, {a, a[:12], false}, {a, "sha256:" + a, false}, {a, "alpine@sha256:" + b, false},
		{c, "gone", false}, {"", "x", false}, {a, "NOT/valid", false},
	} {
		for range 2 {
			if got := n.Lost(s, tt.id, tt.ref); got != tt.want {
				t.Errorf("%.3s %s: %v", tt.id, tt.ref, got)
			}
		}
	}
	if new(Names).Lost(Store{Containers: "/nowhere"}, a, "x") {
		t.Error("a name is lost without a list")
	}
}
