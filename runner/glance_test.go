package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/process"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/slirp"
	"github.com/rl-project/rl/storage"
)

// stored writes containers as a monitor would and returns where they are.
func stored(t testing.TB, n int) Store {
	t.Helper()
	s := Store{dirs.Dirs{Data: t.TempDir()}}
	for i := range n {
		c := Container{
			ID: fmt.Sprintf("%064x", i), Name: fmt.Sprint("c", i), Image: "alpine",
			Created: time.Date(2026, 1, 2, 3, 4, i, 5, time.UTC),
			RootFS:  storage.Image{ID: "1", Layers: []string{"/a", "/b"}},
			Spec:    &specs.Spec{Hostname: "h", Process: &specs.Process{Env: []string{"A=\"}\\"}}},
			Config:  storage.Config{Cmd: []string{"sleep", "1"}, Labels: map[string]string{"k": "v"}},
			Options: spec.Options{Network: "none", Volumes: []string{"/a:/b"}},
			Ports:   []slirp.PortMapping{{Host: 1, Container: 2, Protocol: "tcp"}},
		}
		if err := os.MkdirAll(s.Folder(c.ID), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.saveContainer(c); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run makes a stored container one whose first process is this test's.
func (s Store) run(t *testing.T, id string) {
	t.Helper()
	self, err := process.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	state := State{Boot: process.Boot(), Init: self, StartedAt: time.Now()}
	if err := s.save(id, "state.json", state); err != nil {
		t.Fatal(err)
	}
}

func TestGlanceSeesWhatListSees(t *testing.T) {
	s := stored(t, 3)
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		root := storage.Image{ID: list[i].RootFS.ID, Store: list[i].RootFS.Store}
		list[i].Spec, list[i].RootFS, list[i].Options = nil, root, spec.Options{Network: list[i].Options.Network}
	}
	glance, err := s.Glance(false)
	if err != nil || !reflect.DeepEqual(glance, list) {
		t.Errorf("%v\ngot  %s\nwant %s", err, text(glance), text(list))
	}
	if len(glance) != 3 || glance[0].Name != "c2" {
		t.Errorf("the newest is not the first: %s", text(glance))
	}
}

func text(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

func TestGlanceRunning(t *testing.T) {
	s := stored(t, 3)
	s.run(t, fmt.Sprintf("%064x", 1))
	got, err := s.Glance(true)
	if err != nil || len(got) != 1 || got[0].Name != "c1" || got[0].Status != Running {
		t.Errorf("%v: %s", err, text(got))
	}
}

// A damaged container is dead and does not hide the others, and a half-made one
// is none.
func TestGlanceOfDamage(t *testing.T) {
	s := stored(t, 3)
	damaged := s.file(fmt.Sprintf("%064x", 0), "config.json")
	if err := os.WriteFile(damaged, []byte(`{"ID":"0`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.containers(), "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := s.Glance(false)
	dead := slices.IndexFunc(got, func(v View) bool { return v.Status == Dead })
	if err != nil || len(got) != 3 || dead < 0 || got[dead].Error == "" {
		t.Errorf("%v: %s", err, text(got))
	}
}

func BenchmarkList(b *testing.B) {
	s := stored(b, 200)
	for _, bench := range []struct {
		name string
		list func() ([]View, error)
	}{
		{"List", s.List},
		{"Glance", func() ([]View, error) { return s.Glance(false) }},
		{"Running", func() ([]View, error) { return s.Glance(true) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := bench.list(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
