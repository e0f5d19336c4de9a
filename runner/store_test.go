package runner

import (
	"os"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rl-project/rl/internal/dirs"
)

// What is written down of a container is read as it was, with every field of its
// description that rl fills in.
func TestSaveContainer(t *testing.T) {
	s := Store{dirs.Dirs{Data: t.TempDir(), Runtime: t.TempDir()}}
	want := Container{ID: "aa", Name: "web", Volumes: []string{"v"}, Spec: &specs.Spec{
		Version: "1.2.0", Process: &specs.Process{Args: []string{"sh"}, Cwd: "/"}, Root: &specs.Root{Path: "/r", Readonly: true},
		Hostname: "h", Domainname: "d", Mounts: []specs.Mount{{Destination: "/x", Type: "bind", Source: "/y"}},
		Annotations: map[string]string{"a": "b"}, Linux: &specs.Linux{CgroupsPath: "/c"},
	}}
	if err := os.MkdirAll(s.Folder(want.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.saveContainer(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(want.ID)
	if err != nil || !reflect.DeepEqual(got.Container, want) {
		t.Errorf("got %+v, %v", got.Container, err)
	}
}
