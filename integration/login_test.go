package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A registry that asks for a name and a password: what bcrypt makes of "secret".
const passwords = "me:$2y$05$PpMIe03F.MnjhZesy2gGnONlO7vIKMbT5PVNmhND4hoi0j.nRl/oS\n"

func TestLogin(t *testing.T) {
	Need(t, DockerRegistry)
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := startRegistry(t, "auth:\n  htpasswd:\n    realm: tests\n    path: "+file+"\n")
	e := Fresh(t, Ordinary)
	e.uses(t, registry)
	name := registry.Addr + "/private:1"
	e.OK(t, "tag", Image, name)
	if r := e.Run(t, "push", name); r.Code == 0 {
		t.Error("pushed without a password")
	}
	if r := e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("wrong").Run(t); r.Code == 0 {
		t.Error("a wrong password was taken")
	}
	out := e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("secret\n").Run(t).OK(t)
	if out != "Login Succeeded" {
		t.Errorf("login said %q", out)
	}
	e.OK(t, "push", "-q", name)
	e.OK(t, "rmi", name)
	e.OK(t, "pull", "-q", name)
	auth, err := os.ReadFile(filepath.Join(e.Home, ".docker/config.json"))
	if err != nil || !strings.Contains(string(auth), registry.Addr) {
		t.Errorf("kept: %s, %v", auth, err)
	}
	if info, err := os.Stat(filepath.Join(e.Home, ".docker/config.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the password: %v, %v", info, err)
	}
	e.OK(t, "logout", registry.Addr)
	if r := e.Run(t, "push", name); r.Code == 0 {
		t.Error("pushed after the logout")
	}
}
