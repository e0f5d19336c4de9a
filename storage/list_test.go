package storage

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestListHoldsUntilTheStoreChanges(t *testing.T) {
	data := t.TempDir()
	store := filepath.Join(t.TempDir(), "images.json")
	if err := os.WriteFile(store, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadList(data); !errors.Is(err, ErrNotResolved) {
		t.Errorf("without a list: %v", err)
	}
	want := []Summary{{ID: someID, Names: []string{"docker.io/library/a:1"}, Created: time.Unix(9, 0).UTC(), Size: 5}}
	if err := WriteList(data, want, GatherFacts([]string{store})); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadList(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	t.Setenv("STORAGE_DRIVER", "another")
	if _, err := ReadList(data); !errors.Is(err, ErrNotResolved) {
		t.Errorf("in another environment: %v", err)
	}
	os.Unsetenv("STORAGE_DRIVER")
	if err := os.WriteFile(store, []byte("[{}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadList(data); !errors.Is(err, ErrNotResolved) {
		t.Errorf("after a change: %v", err)
	}
	for _, text := range []string{"", "{", "[]", `{"Format":1}`} {
		if err := os.WriteFile(listPath(data), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := ReadList(data); !errors.Is(err, ErrNotResolved) {
			t.Errorf("%q: %v, %v", text, list, err)
		}
	}
}
