package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rl-project/rl/storage"
)

func TestImport(t *testing.T) {
	s := newStore(t)
	id := importImage(t, s, "made", `CMD ["/bin/made", "-x"]`, "ENV A=1 B='two words'", "EXPOSE 80", "USER 5", "WORKDIR /w")
	got, err := s.Inspect("made", "")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "sha256:"+id || !reflect.DeepEqual(got.RepoTags, []string{"made:latest"}) || len(got.RepoDigests) != 1 {
		t.Errorf("got %+v", got)
	}
	c := got.Config
	if !reflect.DeepEqual(c.Cmd, []string{"/bin/made", "-x"}) || !reflect.DeepEqual(c.Env, []string{"A=1", "B=two words"}) || c.User != "5" || c.WorkingDir != "/w" {
		t.Errorf("got %+v", c)
	}
	img := lookup(t, s, "made")
	content, err := os.ReadFile(filepath.Join(img.Layers[0], "bin/made"))
	if err != nil || string(content) != "made" {
		t.Errorf("%q, %v", content, err)
	}
	short, err := filepath.EvalSymlinks(filepath.Join(img.Store.Home, img.Links[0]))
	if err != nil || short != img.Layers[0] {
		t.Errorf("link %s leads to %s, %v", img.Links[0], short, err)
	}
}

func TestFind(t *testing.T) {
	s := newStore(t)
	id := importImage(t, s, "a")
	importImage(t, s, "localhost/built:1")
	for _, ref := range []string{"a", "a:latest", "docker.io/library/a", id, "sha256:" + id, id[:7], "built:1"} {
		if _, err := s.find(ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	digest := lookup(t, s, "a").Digest
	if _, err := s.find("a@" + digest); err != nil {
		t.Error(err)
	}
	for _, ref := range []string{"nosuch", "a:2", "quay.io/library/a", "docker.io/library/built:1", "fedcba9", "other@" + digest} {
		if f, err := s.find(ref); !errors.Is(err, ErrNoSuchImage) {
			t.Errorf("%s: %v, %v", ref, f, err)
		}
	}
	if _, err := s.find("Upper"); !errors.Is(err, storage.ErrInvalidReference) {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	s := newStore(t)
	first := importImage(t, s, "first", "LABEL a=1 b=2")
	importImage(t, s, "x/second:v1")
	importImage(t, s, "x/third:v2")
	if _, err := s.Remove("x/third:v2", false); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag("first", "again:9"); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for _, c := range []struct {
		filter Filter
		want   int
	}{
		{Filter{}, 2},
		{Filter{Dangling: &no}, 2},
		{Filter{Dangling: &yes}, 0},
		{Filter{Labels: []string{"a=1", "b"}}, 1},
		{Filter{Labels: []string{"a=2"}}, 0},
		{Filter{References: []string{"x/*"}}, 1},
		{Filter{References: []string{"second"}}, 0},
		{Filter{References: []string{"*:9"}}, 1},
		{Filter{Since: "first"}, 1},
		{Filter{Before: "x/second:v1"}, 1},
	} {
		list, err := s.List(c.filter)
		if err != nil || len(list) != c.want {
			t.Errorf("%+v: %d images, %v", c.filter, len(list), err)
		}
	}
	list, err := s.List(Filter{References: []string{"first"}})
	if err != nil || list[0].ID != first || len(list[0].Names) != 2 || list[0].Size == 0 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestRemove(t *testing.T) {
	s := newStore(t)
	id := importImage(t, s, "a")
	if err := s.Tag("a", "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(id, false); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("by id with two names: %v", err)
	}
	got, err := s.Remove("a", false)
	if err != nil || len(got.Deleted) != 0 || !reflect.DeepEqual(got.Untagged, []string{"docker.io/library/a:latest"}) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = s.Remove("b", false)
	if err != nil || len(got.Deleted) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Remove("b", false); !errors.Is(err, ErrNoSuchImage) {
		t.Error(err)
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) != 0 {
		t.Errorf("%d layers are left, %v", len(layers), err)
	}
}

func TestClaimKeepsImage(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	img := lookup(t, s, "a")
	folder := t.TempDir()
	container := strings.Repeat("c", 64)
	if err := img.Claim(container, folder); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("a", false); !errors.Is(err, ErrInUse) {
		t.Errorf("rl: %v", err)
	}
	if _, err := s.store.DeleteImage(img.ID, true); err == nil {
		t.Error("containers/storage removed an image in use")
	}
	if got, err := s.Remove("a", true); err != nil || len(got.Deleted) != 0 || len(got.Untagged) != 1 {
		t.Errorf("forced: %+v, %v", got, err)
	}
	if _, err := s.Remove(img.ID, true); !errors.Is(err, ErrInUse) {
		t.Errorf("forced by id: %v", err)
	}
	if err := img.Store.Release(container); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Remove(img.ID, false); err != nil || len(got.Deleted) == 0 {
		t.Errorf("released: %+v, %v", got, err)
	}
}

func TestClaimOfAGoneImage(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	img := lookup(t, s, "a")
	if _, err := s.store.DeleteImage(img.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := img.Claim(strings.Repeat("c", 64), t.TempDir()); !errors.Is(err, storage.ErrNotResolved) {
		t.Errorf("got %v", err)
	}
	if _, err := storage.Lookup(s.options.Data, "a", ""); !errors.Is(err, storage.ErrNotResolved) {
		t.Errorf("got %v", err)
	}
}

func TestDeadClaimIsDropped(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	folder := filepath.Join(t.TempDir(), "gone")
	if err := lookup(t, s, "a").Claim(strings.Repeat("c", 64), folder); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Remove("a", false); err != nil || len(got.Deleted) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestForeignContainers checks that rl keeps what other programs wrote into the
// list of containers, and that containers/storage reads what rl wrote.
func TestForeignContainers(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	img := lookup(t, s, "a")
	theirs, err := s.store.CreateContainer("", []string{"theirs"}, img.ID, "", `{"some":"data"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := strings.Repeat("c", 64)
	for range 2 {
		if err := img.Claim(mine, t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.store.Containers()
	if err != nil || len(all) != 2 {
		t.Fatalf("%d containers, %v", len(all), err)
	}
	c, err := s.store.Container("theirs")
	if err != nil || c.LayerID != theirs.LayerID || c.Metadata != theirs.Metadata || !c.Created.Equal(theirs.Created) {
		t.Errorf("%+v, %v", c, err)
	}
	if err := s.store.DeleteContainer(theirs.ID); err != nil {
		t.Error(err)
	}
	// Podman can be told to remove rl's entry; rl's own removal then finds nothing.
	if err := s.store.DeleteContainer(mine); err != nil {
		t.Error(err)
	}
	if err := img.Store.Release(mine); err != nil {
		t.Error(err)
	}
}

func TestRecordsFollowTheStore(t *testing.T) {
	s := newStore(t)
	id := importImage(t, s, "a")
	lookup(t, s, "a")
	lookup(t, s, id[:9])
	// rl's own changes keep the records that hold.
	importImage(t, s, "b")
	for _, ref := range []string{"a", id, id[:9]} {
		if img, err := storage.Lookup(s.options.Data, ref, ""); err != nil || img.ID != id {
			t.Errorf("%s: %v, %v", ref, img, err)
		}
	}
	// A change by another program makes them all out of date.
	if err := s.store.AddNames(id, []string{"docker.io/library/c:latest"}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"a", id, id[:9]} {
		if _, err := storage.Lookup(s.options.Data, ref, ""); !errors.Is(err, storage.ErrNotResolved) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	// A name that goes to another image takes its record along.
	s = openStore(t, s.options.Data)
	if err := s.Tag("b", "a"); err != nil {
		t.Fatal(err)
	}
	if img, err := storage.Lookup(s.options.Data, "a", ""); err != nil || img.ID == id {
		t.Errorf("%v, %v", img, err)
	}
}

func TestEmptyImage(t *testing.T) {
	s := newStore(t)
	if _, err := s.Import(context.Background(), bytes.NewReader(makeTar(t)), ImportOptions{Name: "empty"}); err != nil {
		t.Fatal(err)
	}
	if img := lookup(t, s, "empty"); len(img.Layers) != 1 {
		t.Errorf("got %v", img.Layers)
	}
}

func TestFindsAdditionalStores(t *testing.T) {
	s := newStore(t)
	id := importImage(t, s, "a")
	// The library opens a store once in a process, for reading or for writing.
	dir := t.TempDir()
	shared := filepath.Join(dir, "shared")
	if out, err := exec.Command("cp", "-a", s.opened.GraphRoot, shared).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conf := filepath.Join(dir, "storage.conf")
	text := "[storage]\ndriver=\"overlay\"\ngraphroot=\"" + dir + "/graph\"\nrunroot=\"" + dir + "/run\"\n[storage.options]\nadditionalimagestores=[\"" + shared + "\"]\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	other := openStore(t, filepath.Join(dir, "data"))
	img := lookup(t, other, "a")
	if img.ID != id || !strings.HasPrefix(img.Layers[0], shared) || !strings.HasPrefix(img.Links[0], shared) {
		t.Errorf("got %+v", img)
	}
	if _, err := other.Remove("a", false); err == nil {
		t.Error("removed from a store that is only read")
	}
	// A change of the shared store is a change here.
	list := filepath.Join(shared, "overlay-images", "images.json")
	if err := os.WriteFile(list, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Lookup(other.options.Data, "a", ""); !errors.Is(err, storage.ErrNotResolved) {
		t.Errorf("got %v", err)
	}
	if _, err := other.store.Shutdown(true); err != nil {
		t.Error(err)
	}
}
