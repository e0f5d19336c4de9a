package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSystemReset(t *testing.T) {
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			e := Fresh(t, who.account)
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			e.OK(t, "run", "-d", "--name", "up", "-v", "named:/data", "-v", "/anonymous", "-u", "1234:1234", "--tmpfs", "/tmp", Image, "sleep", "1000")
			e.OK(t, "run", "--name", "ended", Image, "sh", "-c", "mkdir /x; touch /x/y; chown -R 4321:4321 /x; chmod 700 /x")

			asked := e.Cmd("system", "reset").Input("no\n").Run(t).OK(t)
			for _, words := range []string{"WARNING! This will remove:\n", "all containers", "all volumes", "all images\n", "[y/N]"} {
				if !strings.Contains(asked, words) {
					t.Errorf("no %q in %q", words, asked)
				}
			}
			e.Want(t, "true", "inspect", "-f", "{{.State.Running}}", "up")

			e.Cmd("system", "reset").Input("y\n").Run(t).OK(t)
			// Root's folder is a mount point here.
			if left, err := os.ReadDir(e.Data()); err == nil && (who.name == "user" || len(left) > 0) {
				t.Errorf("%s is still there with %v", e.Data(), left)
			}
			if who.name == "user" {
				e.Want(t, "There is nothing to remove.", "system", "reset", "-f")
				if _, err := os.Lstat(e.Data()); !os.IsNotExist(err) {
					t.Errorf("a reset of nothing made %s", e.Data())
				}
			}
			e.Want(t, "", "images", "-q")
			e.Want(t, "", "ps", "-aq")
			e.Want(t, "", "volume", "ls", "-q")
			if err := e.Preload(); err != nil {
				t.Fatal(err)
			}
			e.Want(t, "again", "run", "--rm", Image, "echo", "again")
		})
	}
}

// What is Podman's stays, unless told.
func TestSystemResetKeepsSharedImages(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	podman := filepath.Join(e.Home, ".local/share/containers/storage/libpod")
	if err := os.Mkdir(podman, 0o700); err != nil {
		t.Fatal(err)
	}
	e.own(t, podman)
	asked := e.Cmd("system", "reset").Input("\n").Run(t).OK(t)
	if !strings.Contains(asked, "no images: Podman") {
		t.Errorf("it asks %q", asked)
	}
	if told := e.OK(t, "system", "reset", "-f"); !strings.Contains(told, "The images stay: Podman") || !strings.Contains(told, "--images") {
		t.Errorf("it says %q", told)
	}
	if e.OK(t, "images", "-q") == "" {
		t.Error("the images are gone")
	}
	e.OK(t, "system", "reset", "-f", "--images")
	e.Want(t, "", "images", "-q")
}

func TestSystemResetBadInput(t *testing.T) {
	e := AsUser(t)
	e.Run(t, "system", "reset", "extra").Exits(t, 125).Says(t, "extra")
	e.Run(t, "system", "reset", "--imagse").Exits(t, 125).Says(t, "--imagse", "--images")
}
