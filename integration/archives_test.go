package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchivesOfPodmanAndBuildah loads what they save, in both formats, and lets
// them load what rl saves: the image keeps its id on the way there and back.
func TestArchivesOfPodmanAndBuildah(t *testing.T) {
	Need(t, Podman, Program("buildah", "buildah"), RealImages)
	e, peer := Fresh(t, Ordinary), Fresh(t, Ordinary)
	peer.config(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n")
	tool := func(name string, args ...string) string { t.Helper(); return peer.Tool(name, args...).Run(t).OK(t) }
	t.Cleanup(func() { peer.Tool("podman", "system", "migrate").Run(t) })
	e.Load(t, Archive("alpine-3.20.3.tar"))
	id := e.OK(t, "image", "inspect", "-f", "{{.Id}}", "alpine:3.20")
	dir := peer.Folder(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"docker-archive", "oci-archive"} {
		ours := filepath.Join(e.Folder(t), "ours.tar")
		e.OK(t, "save", "--format", format, "-o", ours, "alpine:3.20")
		shared := filepath.Join(dir, format+"-ours.tar")
		data, err := os.ReadFile(ours)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(shared, data, 0o644); err != nil {
			t.Fatal(err)
		}
		tool("podman", "load", "-q", "-i", shared)
		if got := tool("podman", "image", "inspect", "-f", "{{.Id}}", "docker.io/library/alpine:3.20"); "sha256:"+got != id {
			t.Errorf("%s: podman has %s, not %s", format, got, id)
		}
		byPodman, byBuildah := filepath.Join(dir, format+"-podman.tar"), filepath.Join(dir, format+"-buildah.tar")
		tool("podman", "save", "-q", "--format", format, "-o", byPodman, "docker.io/library/alpine:3.20")
		tool("buildah", "push", "-q", "docker.io/library/alpine:3.20", format+":"+byBuildah+":docker.io/library/alpine:3.20")
		tool("podman", "rmi", "-a", "-f")
		tool("buildah", "pull", "-q", format+":"+shared)
		tool("podman", "rmi", "-a", "-f")
		for _, theirs := range []string{byPodman, byBuildah} {
			e.OK(t, "rmi", "-f", strings.TrimPrefix(id, "sha256:"))
			e.Load(t, theirs)
			if got := e.OK(t, "image", "inspect", "-f", "{{.Id}} {{index .RepoTags 0}}", "alpine:3.20"); got != id+" alpine:3.20" {
				t.Errorf("%s: rl has %s of %s, not %s", format, got, filepath.Base(theirs), id)
			}
		}
	}
}
