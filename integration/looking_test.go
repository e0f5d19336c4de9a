package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Who has nothing yet can look, also where nothing can be made, and has nothing
// afterwards.
func TestLookingMakesNothing(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o555} {
		e := Fresh(t, Ordinary)
		if err := os.Chmod(e.Home, mode); err != nil {
			t.Fatal(err)
		}
		before := e.homeFiles(t)
		e.shows(t, "CONTAINER ID", "ps")
		e.shows(t, "REPOSITORY", "images")
		e.OK(t, "system", "df")
		e.OK(t, "volume", "ls")
		e.OK(t, "network", "ls")
		for _, command := range []string{"logs", "inspect", "history"} {
			e.Run(t, command, "nothing").Exits(t, 1).Says(t, "nothing")
		}
		if now := e.homeFiles(t); !slices.Equal(before, now) {
			t.Errorf("with mode %o: %v", mode, difference(before, now))
		}
		e.shows(t, "Containers: 0", "info")
	}
}

// shows demands that a command succeeds and that text is in its output.
func (e *Env) shows(t *testing.T, text string, args ...string) {
	t.Helper()
	if out := e.OK(t, args...); !strings.Contains(out, text) {
		t.Errorf("%v shows %q, without %q", args, out, text)
	}
}

// homeFiles lists what is in the home.
func (e *Env) homeFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(e.Home, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
