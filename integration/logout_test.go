package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// credentials writes a file as Docker keeps it, with passwords for two
// registries, and returns its path.
func (e *Env) credentials(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(e.Home, ".docker")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	e.own(t, dir)
	return e.File(t, ".docker/config.json", `{"auths": {"one.example": {"auth": "YTpi"}, "two.example:5000": {"auth": "YTpi"}}, "detachKeys": "ctrl-x", "mine": [1]}`)
}

// kept reads which registries a file of passwords has, and its other keys.
func kept(t *testing.T, file string) (auths, all map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	auths, _ = all["auths"].(map[string]any)
	return auths, all
}

// One password goes; those of others stay, and what rl knows nothing of too.
func TestLogoutForgetsOneRegistry(t *testing.T) {
	e := Fresh(t, Ordinary)
	file := e.credentials(t)
	e.Want(t, "Removing login credentials for one.example", "logout", "one.example")
	auths, all := kept(t, file)
	if auths["one.example"] != nil || auths["two.example:5000"] == nil || all["detachKeys"] != "ctrl-x" || all["mine"] == nil {
		t.Errorf("kept: %v", all)
	}
	e.Want(t, "Not logged in to one.example", "logout", "one.example")
	e.Want(t, "Removing login credentials for two.example:5000", "logout", "https://two.example:5000/")
	if auths, _ = kept(t, file); len(auths) > 0 {
		t.Errorf("kept: %v", auths)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 && info.Mode().Perm() != 0o644 {
		t.Errorf("the file's mode: %v, %v", info.Mode(), err)
	}
}

// Who was logged in nowhere gets no file, and without a word Docker Hub is meant.
func TestLogoutOfNothing(t *testing.T) {
	e := Fresh(t, Ordinary)
	e.Want(t, "Not logged in to docker.io", "logout")
	if _, err := os.Lstat(filepath.Join(e.Home, ".docker")); err == nil {
		t.Error("a folder for passwords was made")
	}
	e.Run(t, "logout", "a", "b").Exits(t, 125).Says(t, "unexpected argument b")
	e.Run(t, "logout", "--all-of-them").Exits(t, 125).Says(t, "--all-of-them")
}

// What cannot be read is left as it is.
func TestLogoutKeepsADamagedFile(t *testing.T) {
	e := Fresh(t, Ordinary)
	file := e.credentials(t)
	if err := os.WriteFile(file, []byte(`{"auths": {`), 0o600); err != nil {
		t.Fatal(err)
	}
	e.Run(t, "logout", "one.example").Exits(t, 1).Says(t, file)
	if text, err := os.ReadFile(file); err != nil || string(text) != `{"auths": {` {
		t.Errorf("%q, %v", text, err)
	}
}
