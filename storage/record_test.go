package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rl-project/rl/internal/replace"
)

// stored writes a record of an image that depends on one file.
func stored(t testing.TB, keys ...string) (data, list string) {
	t.Helper()
	data, list = t.TempDir(), filepath.Join(t.TempDir(), "images.json")
	writeFile(t, list, "[]")
	img := &Image{ID: someID, Names: []string{"docker.io/library/alpine:latest"}, Layers: []string{"/a", "/b"}}
	for _, key := range keys {
		if err := WriteRecord(data, key, img, GatherFacts([]string{list, list + ".missing"})); err != nil {
			t.Fatal(err)
		}
	}
	return data, list
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := replace.File(path, path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLookup(t *testing.T) {
	data, _ := stored(t, "docker.io/library/alpine:latest", someID, someID[:6])
	for _, ref := range []string{"alpine", "alpine:latest", "docker.io/library/alpine", someID, someDigest, someID[:6], "sha256:" + someID[:6]} {
		img, err := Lookup(data, ref, "")
		if err != nil || img.ID != someID || len(img.Layers) != 2 {
			t.Errorf("%s: %+v, %v", ref, img, err)
		}
	}
	for _, ref := range []string{"alpine:3", "quay.io/alpine", someID[:7], strings.Repeat("0", 64), strings.Repeat("a/", 100) + "b"} {
		if img, err := Lookup(data, ref, ""); !errors.Is(err, ErrNotResolved) {
			t.Errorf("%s: %+v, %v", ref, img, err)
		}
	}
	if _, err := Lookup(data, "No/Such", ""); !errors.Is(err, ErrInvalidReference) {
		t.Error(err)
	}
}

// TestNamesWinOverIDs has an image whose name reads like the beginning of
// another one's id.
func TestNamesWinOverIDs(t *testing.T) {
	data, list := stored(t, "cafe")
	named := &Image{ID: strings.Repeat("1", 64)}
	if err := WriteRecord(data, "docker.io/library/cafe:latest", named, GatherFacts([]string{list})); err != nil {
		t.Fatal(err)
	}
	if img, err := Lookup(data, "cafe", ""); err != nil || img.ID != named.ID {
		t.Errorf("%+v, %v", img, err)
	}
}

func TestRecordsGoOutOfDate(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, data, list string){
		"list replaced":    func(t *testing.T, _, list string) { writeFile(t, list, "[]") },
		"list longer":      func(t *testing.T, _, list string) { os.WriteFile(list, []byte("[{}]"), 0o600) },
		"list gone":        func(t *testing.T, _, list string) { os.Remove(list) },
		"file appeared":    func(t *testing.T, _, list string) { writeFile(t, list+".missing", "") },
		"other store":      func(t *testing.T, _, _ string) { t.Setenv("CONTAINERS_STORAGE_CONF", "/other") },
		"other data home":  func(t *testing.T, _, _ string) { t.Setenv("XDG_DATA_HOME", "/other") },
		"record broken":    func(t *testing.T, data, _ string) { writeFile(t, recordPath(data, someID), `{"Format":2,`) },
		"record emptied":   func(t *testing.T, data, _ string) { writeFile(t, recordPath(data, someID), `{"Format":2}`) },
		"record of future": func(t *testing.T, data, _ string) { writeFile(t, recordPath(data, someID), `{"Format":3,"Image":{}}`) },
		"records removed": func(t *testing.T, data, _ string) {
			if err := os.RemoveAll(filepath.Join(data, "images")); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, list := stored(t, someID)
			if _, err := Lookup(data, someID, ""); err != nil {
				t.Fatal(err)
			}
			change(t, data, list)
			if img, err := Lookup(data, someID, ""); !errors.Is(err, ErrNotResolved) {
				t.Errorf("%+v, %v", img, err)
			}
		})
	}
}

// TestChangeWhileResolving has the list change after the resolver noted it and
// before it wrote the record.
func TestChangeWhileResolving(t *testing.T) {
	data, list := stored(t)
	facts := GatherFacts([]string{list})
	writeFile(t, list, "[1]")
	if err := WriteRecord(data, someID, &Image{ID: someID}, facts); err != nil {
		t.Fatal(err)
	}
	if img, err := Lookup(data, someID, ""); !errors.Is(err, ErrNotResolved) {
		t.Errorf("%+v, %v", img, err)
	}
}

func FuzzRecord(f *testing.F) {
	data, _ := stored(f, someID)
	good, err := os.ReadFile(recordPath(data, someID))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"Format":2,"Facts":[{"Path":"/"}],"Image":{"ID":"x"}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "record.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if img, err := readRecord(path); err == nil && img == nil {
			t.Error("neither image nor error")
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	data, _ := stored(b, "docker.io/library/alpine:latest")
	for b.Loop() {
		if _, err := Lookup(data, "alpine", ""); err != nil {
			b.Fatal(err)
		}
	}
}
