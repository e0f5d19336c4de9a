package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBuilderPrune(t *testing.T) {
	e := AsUser(t)
	e.OK(t, "builder", "prune", "-f")
	dir := e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN head -c 8 /dev/urandom | od -x >/random\nRUN head -c 1000000 /dev/zero >/large\n"})
	e.built(t, dir, "-t", "pruned")
	if df := e.OK(t, "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"); !strings.HasSuffix(df, "\nBuild Cache 2 0") {
		t.Errorf("got %q", df)
	}
	random := e.OK(t, "run", "--rm", "pruned", "cat", "/random")
	e.Run(t, "builder", "prune", "-f", "--filter", "until=1h").Exits(t, 0)
	e.Want(t, "Total reclaimed space: 0B", "builder", "prune", "-f", "--keep-storage", "2m")
	e.built(t, dir, "-t", "pruned")
	e.Want(t, random, "run", "--rm", "pruned", "cat", "/random")
	if out := e.OK(t, "builder", "prune", "-f"); !strings.HasPrefix(out, "Deleted build cache objects:\n") || !strings.HasSuffix(out, "Total reclaimed space: 1MB") {
		t.Errorf("got %q", out)
	}
	e.Want(t, random, "run", "--rm", "pruned", "cat", "/random") // the image stays
	if left, err := filepath.Glob(filepath.Join(e.Data(), "build", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the cache: %q, %v", left, err)
	}
	e.built(t, dir, "-t", "pruned")
	if e.OK(t, "run", "--rm", "pruned", "cat", "/random") == random {
		t.Error("a step that was pruned was found")
	}
	for _, bad := range []string{"--filter=color=red", "--filter=until=soon", "--keep-storage=much"} {
		e.Run(t, "builder", "prune", "-f", bad).Exits(t, 125)
	}
}

// Where nothing more can be made, results can still be removed.
func TestBuilderPruneWithoutInodes(t *testing.T) {
	Need(t, RealImages)
	e := onSmallDisk(t, "200m,nr_inodes=4000")
	e.Load(t, Archive("alpine-3.20.3.tar"))
	e.built(t, e.context(t, map[string]string{"Dockerfile": "FROM alpine:3.20\nRUN --mount=type=cache,target=/c echo kept | tee /c/in >/kept\n"}))
	var err error
	for n := 0; err == nil; n++ {
		err = os.WriteFile(filepath.Join(e.Home, "fill"+itoa(n)), nil, 0o600)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if out := e.OK(t, "builder", "prune", "-f"); strings.Count(out, "\n") != 4 {
		t.Errorf("two results are there, and pruned was %q", out)
	}
	for _, pattern := range []string{"build/steps/*", "build/mounts/*", "tmp/build-*"} {
		if left, err := filepath.Glob(filepath.Join(e.Data(), pattern)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	}
}
