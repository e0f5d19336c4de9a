package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without a name it is an anonymous volume; the name is printed, and made once.
func TestVolumeCreate(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name := e.Name(t)
		e.Want(t, name, "volume", "create", "--name", name, "--driver", "local", "--label", "k=v")
		e.OK(t, "run", "--rm", "--network", "none", "-v", name+":/data", Image, "touch", "/data/kept")
		e.Run(t, "volume", "create", "--name", name, name).Exits(t, 125).Says(t, "two names")
		e.Want(t, name, "volume", "create", name) // there already: as it is
		e.Want(t, "kept", "run", "--rm", "--network", "none", "-v", name+":/data", Image, "ls", "/data")
		e.Want(t, "v", "volume", "inspect", "-f", `{{index .Labels "k"}}`, name)

		anonymous := e.OK(t, "volume", "create")
		if len(anonymous) != 64 || strings.Trim(anonymous, "0123456789abcdef") != "" {
			t.Errorf("the name of an anonymous volume is %q", anonymous)
		}
		e.Want(t, anonymous, "volume", "ls", "-q", "--filter", "name="+anonymous, "--filter", "label=com.docker.volume.anonymous")
		e.Want(t, "create\ndestroy", "events", "--since", "1h", "--until", func() string { e.OK(t, "volume", "rm", anonymous); return "now" }(),
			"--filter", "volume="+anonymous, "--format", "{{.Action}}")
		e.OK(t, "volume", "rm", name)
	})
}

func TestVolumeCreateOfAFolder(t *testing.T) {
	e := AsUser(t)
	name, dir := e.Name(t), e.Folder(t)
	e.OK(t, "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device="+dir, name)
	e.OK(t, "run", "--rm", "-v", name+":/data", Image, "touch", "/data/made")
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Error(err)
	}
	e.OK(t, "volume", "rm", name)
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Errorf("the folder went with the volume: %v", err)
	}
}
