package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// TestBuildFromPrivateRegistry begins with an image that needs a password.
func TestBuildFromPrivateRegistry(t *testing.T) {
	Need(t, RealImages, DockerRegistry)
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := startRegistry(t, "auth:\n  htpasswd:\n    realm: tests\n    path: "+file+"\n")
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		e.uses(t, registry)
		name := registry.Addr + "/private" + itoa(e.Account.UID) + ":1"
		login := func() {
			e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("secret\n").Run(t).OK(t)
		}
		login()
		e.OK(t, "tag", Image, name)
		e.OK(t, "push", "-q", name)
		e.OK(t, "logout", registry.Addr)
		e.OK(t, "rmi", name)
		dir := e.context(t, map[string]string{"Dockerfile": "FROM " + name + " AS a\nRUN true\nFROM scratch\nCOPY --from=" + name + " /etc/alpine-release /release\nCOPY --from=a /etc/hostname /\n"})
		e.Run(t, "build", dir).Exits(t, 1).Says(t, "Dockerfile:", "rl login")
		login()
		e.Run(t, "build", dir, "--cache-to", "type=registry,ref="+name+"-cache").Exits(t, 0)
		e.OK(t, "rmi", name)
		e.Run(t, "build", "--pull", "--cache-from", name+"-cache", dir).Exits(t, 0).Says(t, "CACHED")
	})
}
