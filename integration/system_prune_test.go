package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSystemPrune(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	importAs := func(name, file string) string {
		t.Helper()
		return e.Cmd("import", "-", name).Input(string(randomLayer(t, file, 1000))).Run(t).OK(t)
	}
	dangling := importAs("same:1", "first")
	unused := importAs("same:1", "second") // takes the name from the first
	e.OK(t, "create", "--name", "ended", "-v", "/anonymous", "-v", "named:/named", Image, "true")
	e.OK(t, "run", "-d", "--name", "up", "-v", "/anonymous", Image, "sleep", "1000")
	volumes := len(strings.Fields(e.OK(t, "volume", "ls", "-q")))

	asked := e.Cmd("system", "prune", "--volumes", "--filter", "label=x").Input("n\n").Run(t).OK(t)
	for _, words := range []string{
		"WARNING! This will remove:\n  - all stopped containers\n", "\n  - all anonymous volumes not used by at least one container\n",
		"\n  - all dangling images\n", "\n  Items to be pruned will be filtered with:\n  - label=x\n", "\n\nAre you sure you want to continue? [y/N] ",
	} {
		if !strings.Contains(asked, words) {
			t.Errorf("no %q in %q", words, asked)
		}
	}
	e.Want(t, "Total reclaimed space: 0B", "system", "prune", "-f", "--filter", "label=none-has-this")

	scratch := filepath.Join(e.Data(), "tmp", "image-of-a-killed-process")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	e.own(t, scratch)
	did := e.OK(t, "system", "prune", "-f")
	if _, err := os.Lstat(scratch); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", scratch, err)
	}
	for _, words := range []string{"Deleted Containers:\n", "Deleted Images:\ndeleted: " + dangling + "\n", "Total reclaimed space: 2.56kB"} {
		if !strings.Contains(did, words) {
			t.Errorf("no %q in %q", words, did)
		}
	}
	e.Want(t, "up", "ps", "-a", "--format", "{{.Names}}")
	if n := len(strings.Fields(e.OK(t, "volume", "ls", "-q"))); n != volumes {
		t.Errorf("%d volumes are left of %d", n, volumes)
	}

	e.Cmd("build", "-").Input("FROM " + Image + "\nRUN touch /made").Run(t).OK(t)
	cache := func() string { return e.OK(t, "system", "df", "--format", "{{.Type}} {{.TotalCount}}") }
	if strings.Contains(cache(), "Build Cache 0") {
		t.Error("the build has left no results to remove")
	}
	if did := e.OK(t, "system", "prune", "-f", "--filter", "label!=x"); strings.Contains(did, "build cache") {
		t.Errorf("results of builds have no labels: %q", did)
	}
	did = e.OK(t, "system", "prune", "-af", "--volumes")
	if got := cache(); !strings.Contains(got, "Build Cache 0") {
		t.Errorf("results of builds are left: %s", got)
	}
	for _, words := range []string{"Deleted build cache objects:\n", "Deleted Volumes:\n", "untagged: same:1\n", "deleted: " + unused + "\n"} {
		if !strings.Contains(did, words) {
			t.Errorf("no %q in %q", words, did)
		}
	}
	// That of the running container and the one with a name stay, and the image in use.
	if n := len(strings.Fields(e.OK(t, "volume", "ls", "-q"))); n != volumes-1 {
		t.Errorf("%d volumes are left of %d", n, volumes)
	}
	e.OK(t, "image", "inspect", Image)
	e.OK(t, "rm", "-fv", "up")
	e.OK(t, "system", "prune", "-af")
	e.Want(t, "", "images", "-q")
	e.OK(t, "volume", "prune", "-af")
}

func TestSystemPruneBadInput(t *testing.T) {
	e := AsUser(t)
	for _, tt := range []struct {
		args  string
		words []string
	}{
		{"system prune -f --filter colour=red", []string{"colour", "until"}},
		{"system prune -f --filter until=soon", []string{"soon"}},
		{"system prune -f --volumes --filter until=1h", []string{"until", "--volumes"}},
		{"system prune extra", []string{"extra"}},
		{"system prnue", []string{"system prune"}},
	} {
		r := e.Run(t, strings.Fields(tt.args)...).Exits(t, 125).Says(t, tt.words...)
		if r.Out != "" || lines(r.Err) > 2 {
			t.Error(r)
		}
	}
}
