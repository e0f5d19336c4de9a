package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// What import is told of an image is in it, and save finds it by its platform.
func TestImportForAPlatform(t *testing.T) {
	e := Fresh(t, Ordinary)
	importSmall(t, e, "made:1", "--platform", "linux/arm64", "-c", "HEALTHCHECK --interval=7s CMD probe")
	e.Want(t, "[CMD-SHELL probe] 7s", "image", "inspect", "-f", "{{.Config.Healthcheck.Test}} {{.Config.Healthcheck.Interval}}", "made:1")
	e.Run(t, "save", "--platform", "linux/amd64", "-o", "x.tar", "made:1").Exits(t, 1).Says(t, "linux/amd64", "made:1")
	e.Run(t, "save", "--platform", "nonsense/", "-o", "x.tar", "made:1").Exits(t, 125).Says(t, "nonsense/")
	if _, err := os.Stat(filepath.Join(e.Home, "x.tar")); err == nil {
		t.Error("a failed save left its file")
	}
	e.OK(t, "save", "--platform", "linux/arm64", "-o", "x.tar", "made:1")
	e.OK(t, "rmi", "made:1")
	e.Want(t, "Loaded image: made:1", "load", "-i", "x.tar")
}
