package cgroup2

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestParentDirs(t *testing.T) {
	const own = Root + "/own"
	for _, tt := range []struct {
		parent string
		want   []string // nil for an error
	}{
		{"jobs", []string{own + "/jobs"}}, {"jobs/night", []string{own + "/jobs", own + "/jobs/night"}},
		{"./jobs/", []string{own + "/jobs"}}, {"/own/jobs", []string{own + "/jobs"}}, {"jobs.slice", []string{own + "/jobs.slice"}},
		{"..", nil}, {"../other", nil}, {"a/../..", nil}, {"a/../b", nil}, {"/other", nil}, {"/", nil}, {"/own", nil}, {".", nil},
		{"supervisor", nil}, {"rl-0123456789ab", nil}, {"jobs/supervisor/x", nil},
	} {
		got, err := parentDirs(own, tt.parent)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) || err != nil && !errors.Is(err, ErrParent) {
			t.Errorf("%q: got %v, %v", tt.parent, got, err)
		}
	}
	for name, want := range map[string]bool{
		"jobs.slice": true, "a-b.slice": true, "jobs": false, ".slice": false, "-.slice": false, "a--b.slice": false, "a/b.slice": false, "a b.slice": false,
	} {
		if validSlice(name) != want {
			t.Errorf("slice %q: %v", name, !want)
		}
	}
}

// createIn makes a group in a parent, with an id that ends in digit.
func createIn(t *testing.T, parent, digit string) *Group {
	t.Helper()
	g, err := Create(t.Context(), Options{ID: testID[:idLength-1] + digit + testID, PID: os.Getpid(), Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Folders for groups are made and go with the last group; a person's own stay.
func TestParentGoesWithTheLastGroup(t *testing.T) {
	place := Discover(t.Context()).Delegated
	if place == "" {
		t.Skip("only where something is delegated: as root, or with systemd-run --user --scope -p Delegate=yes")
	}
	own := filepath.Join(place, "own")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(own) })
	one, two := createIn(t, "own/jobs", "1"), createIn(t, "own/jobs", "2")
	jobs := filepath.Join(own, "jobs")
	if filepath.Dir(one.Path()) != jobs || filepath.Dir(two.Path()) != jobs {
		t.Errorf("the groups are %s and %s", one.Path(), two.Path())
	}
	if err := one.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if !exists(two.Path()) {
		t.Error("the other group went too")
	}
	if err := Sweep(t.Context(), func(string) bool { return false }); err != nil {
		t.Error(err)
	}
	two.Close()
	if exists(jobs) || !exists(own) {
		t.Errorf("after the last one: %s %v, %s %v", jobs, exists(jobs), own, exists(own))
	}
}

// A place that is somebody else's is refused by name, and nothing is made.
func TestParentOutOfReach(t *testing.T) {
	for _, parent := range []string{"../other", "/no-such-place/../../x", "a b.slice/.."} {
		g, err := Create(t.Context(), Options{ID: testID, PID: os.Getpid(), Parent: parent})
		if !errors.Is(err, ErrParent) || g != nil {
			t.Errorf("%q: %v, %v", parent, g, err)
		}
	}
}
