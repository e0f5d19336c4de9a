package credentials

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// home gives a test empty folders for all files of credentials.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run"), "XDG_CONFIG_HOME": "", "DOCKER_CONFIG": "", "REGISTRY_AUTH_FILE": "",
	} {
		t.Setenv(name, value)
	}
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestSaveFindErase(t *testing.T) {
	dir := home(t)
	want := map[string]Login{
		"docker.io":      {User: "me", Password: "with:colon"},
		"localhost:5000": {User: "other", Password: "secret"},
		"token.example":  {Token: "t0k3n"},
	}
	for registry, l := range want {
		file, err := Save(registry, l)
		if err != nil || file != filepath.Join(dir, ".docker/config.json") {
			t.Fatal(file, err)
		}
	}
	for registry, l := range want {
		if got, ok, err := Find(registry); got != l || !ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", registry, got, ok, err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, ".docker/config.json"))
	if err != nil || !strings.Contains(string(data), `"https://index.docker.io/v1/"`) {
		t.Errorf("Docker would not find the login of its Hub in %s", data)
	}
	if info, err := os.Stat(filepath.Join(dir, ".docker/config.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := Erase("docker.io"); err != nil {
		t.Error(err)
	}
	if _, ok, err := Find("docker.io"); ok || err != nil {
		t.Errorf("found after it was erased: %v", err)
	}
	if err := Erase("docker.io"); !errors.Is(err, ErrNotLoggedIn) {
		t.Error(err)
	}
}

// What Docker and Podman wrote is found, the file that Podman prefers first.
func TestFindsOthersFiles(t *testing.T) {
	dir := home(t)
	write(t, filepath.Join(dir, "run/containers/auth.json"), `{"auths":{"a.example":{"auth":"cG9kbWFuOnB3"}}}`, 0o600)
	write(t, filepath.Join(dir, ".config/containers/auth.json"), `{"auths":{"a.example":{"auth":"bm86bm8="},"b.example":{"username":"u","password":"p"}}}`, 0o600)
	write(t, filepath.Join(dir, ".docker/config.json"), `{"auths":{"https://c.example/v2/":{"auth":"ZG9ja2VyOnB3"},"d.example/team":{"auth":"bm86bm8="}}}`, 0o600)
	for registry, want := range map[string]Login{
		"a.example": {User: "podman", Password: "pw"}, "b.example": {User: "u", Password: "p"}, "c.example": {User: "docker", Password: "pw"},
	} {
		if got, ok, err := Find(registry); got != want || !ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", registry, got, ok, err)
		}
	}
	if _, ok, err := Find("d.example"); ok || err != nil {
		t.Errorf("the login of a team was taken for that of its registry: %v", err)
	}
	data, err := Gather(nil)
	var all struct{ Auths map[string]entry }
	if err != nil || json.Unmarshal(data, &all) != nil || all.Auths["a.example"].Auth != "cG9kbWFuOnB3" || all.Auths["d.example/team"].Auth == "" {
		t.Errorf("%s, %v", data, err)
	}
}

// Saving keeps what else stands in a file, and a link to it.
func TestSaveKeepsTheRest(t *testing.T) {
	dir := home(t)
	elsewhere := filepath.Join(dir, "elsewhere.json")
	write(t, elsewhere, `{"psFormat":"x","auths":{"a.example":{"auth":"cG9kbWFuOnB3"}}}`, 0o600)
	path := filepath.Join(dir, ".docker/config.json")
	write(t, filepath.Join(dir, ".docker/other"), "", 0o600)
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	if _, err := Save("b.example", Login{User: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(elsewhere)
	if err != nil || !strings.Contains(string(data), "psFormat") || !strings.Contains(string(data), "a.example") || !strings.Contains(string(data), "b.example") {
		t.Errorf("%s, %v", data, err)
	}
	if target, err := os.Readlink(path); err != nil || target != elsewhere {
		t.Errorf("the link is gone: %v", err)
	}
}

func TestHelper(t *testing.T) {
	dir := home(t)
	write(t, filepath.Join(dir, "bin/docker-credential-box"), `#!/bin/sh
box=$HOME/box
case $1 in
store) cat >$box ;;
get) key=$(cat); grep -q "\"$key\"" $box 2>/dev/null && cat $box || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f $box ;;
esac
`, 0o700)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	path := filepath.Join(dir, ".docker/config.json")
	write(t, path, `{"credHelpers":{"a.example":"box","b.example":"missing","c.example":"../box"}}`, 0o600)
	want := Login{User: "u", Password: "p"}
	if plain, err := Save("a.example", want); plain != "" || err != nil {
		t.Fatal(plain, err)
	}
	if got, ok, err := Find("a.example"); got != want || !ok || err != nil {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), "auths") {
		t.Errorf("the password of a helper is in the file: %s, %v", data, err)
	}
	data, err := Gather([]string{"a.example"})
	if err != nil || !strings.Contains(string(data), "dTpw") {
		t.Errorf("%s, %v", data, err)
	}
	if err := Erase("a.example"); err != nil {
		t.Error(err)
	}
	if _, ok, err := Find("a.example"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for registry, words := range map[string]string{"b.example": "docker-credential-missing", "c.example": "without '/'"} {
		if _, _, err := Find(registry); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", registry, err)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	for text, words := range map[string]string{
		`{`:                                    "config.json",
		`{"auths":[]}`:                         "auths",
		`{"auths":{"a.example":{"auth":"%"}}}`: "base64",
		`{"auths":{"a.example":{"auth":"eA=="}}}`: "USER:PASSWORD",
	} {
		dir := home(t)
		write(t, filepath.Join(dir, ".docker/config.json"), text, 0o600)
		if _, ok, err := Find("a.example"); ok || err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, %v", text, ok, err)
		}
	}
	dir := home(t)
	write(t, filepath.Join(dir, ".docker/config.json"), " \n", 0o600)
	if _, ok, err := Find("a.example"); ok || err != nil {
		t.Errorf("an empty file: %v, %v", ok, err)
	}
}

// Whatever a file holds, reading it gives a login or an error.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://a.example/v1/":{"auth":"dTpw"}},"credsStore":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := home(t)
		write(t, filepath.Join(dir, ".docker/config.json"), string(data), 0o600)
		f, err := read(filepath.Join(dir, ".docker/config.json"))
		if err != nil {
			return
		}
		f.helper, f.helpers = "", nil // nothing is run here
		if l, ok, err := f.find("a.example"); err != nil && ok {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
