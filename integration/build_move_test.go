package integration

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// movedFile has what a copy can do to the files below it.
const movedFile = "FROM alpine:3.20\nCOPY --chown=3:4 d /etc/\nCOPY --chmod=4711 f /etc/motd\n"

// movedResults are the results of copies that lie in layers of the image store.
func (e *Env) movedResults(t testing.TB) (layers []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(e.Data(), "build", "steps", "*", "fs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fs := range all {
		if home, err := os.Readlink(fs); err == nil {
			layers = append(layers, home)
		}
	}
	return layers
}

// What was copied is on the disk once: in the image, and for as long as that is
// there. The image is the same as if it had been written twice.
func TestBuildMovesWhatItCopied(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		dir := e.context(t, map[string]string{"d/new/x": "x", "d/hosts": "h", "f": "motd", "Dockerfile": movedFile})
		id := e.built(t, dir, "-t", "moved")
		layers := e.movedResults(t)
		if len(layers) != 2 {
			t.Fatalf("two steps copied, and these lie in the store: %q", layers)
		}
		look := []string{"run", "--rm", "moved", "sh", "-c", "cd /etc; stat -c '%n %u:%g %a' hosts new/x new motd; cat new/x motd; ls | wc -l"}
		first := e.OK(t, look...)
		e.checksDigests(t, "moved")
		if again := e.built(t, dir, "-t", "moved"); again != id {
			t.Errorf("with all of it cached it became %s, not %s", again, id)
		}
		// Another step finds the files where they are now.
		more := e.context(t, map[string]string{"d/new/x": "x", "d/hosts": "h", "f": "motd", "Dockerfile": movedFile + "RUN cat /etc/new/x /etc/motd >/both\n"})
		e.Run(t, "build", "--progress=plain", "-t", "more", more).Exits(t, 0).Says(t, "[3/4] COPY --chmod=4711 f /etc/motd\n#3 CACHED")
		e.Want(t, "xmotd", "run", "--rm", "more", "cat", "/both")
		e.OK(t, "builder", "prune", "-f")
		e.checksDigests(t, "moved")
		e.OK(t, "rmi", "more")
		e.built(t, dir, "-t", "moved", "--no-cache")
		e.OK(t, "rmi", "moved")
		// Without the image they are copied once more.
		e.built(t, more, "-t", "more")
		e.built(t, dir, "-t", "moved")
		if again := e.OK(t, look...); again != first {
			t.Errorf("it holds %q and then %q", first, again)
		}
		for _, flags := range [][]string{{"--build-arg", "SOURCE_DATE_EPOCH=1000000000"}, {"-o", "type=image", "-o", "type=tar,dest=" + filepath.Join(e.Folder(t), "x.tar")}} {
			e.OK(t, "builder", "prune", "-f")
			e.built(t, dir, append(flags, "-t", "kept")...)
			if layers := e.movedResults(t); len(layers) > 0 {
				t.Errorf("%q: moved to %q", flags, layers)
			}
		}
	})
}

// checksDigests saves an image and loads it where its layers are not: that compares
// the digests.
func (e *Env) checksDigests(t testing.TB, image string) {
	t.Helper()
	file := filepath.Join(e.Folder(t), "image.tar")
	e.OK(t, "save", "--format", "oci-archive", "-o", file, image)
	other := Fresh(t, func() (Account, error) { return e.Account, nil })
	other.OK(t, "load", "-i", file)
	want := e.OK(t, "image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", image)
	other.Want(t, want, "image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", image)
}

// An image whose files a build works on cannot be removed meanwhile.
func TestBuildKeepsWhatMoved(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"f": "copied", "Dockerfile": "FROM alpine:3.20\nCOPY f /f\n"}
		e.built(t, e.context(t, files), "-t", "first")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		files["Dockerfile"] += "RUN nc 127.0.0.1 " + port + " && cat /f >/g\n"
		doing := e.Cmd("build", "-q", "--allow", "network.host", "--network", "host", "-t", "second", e.context(t, files)).Start(t)
		step, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		e.Run(t, "rmi", "first").Exits(t, 1).Says(t, "being used")
		e.OK(t, "image", "prune", "-a", "-f")
		step.Close()
		doing.Wait(t).OK(t)
		e.OK(t, "rmi", "first")
		e.Want(t, "copied", "run", "--rm", "second", "cat", "/g")
	})
}

// Builds of the same file at once share what one of them copied, wherever it moves.
func TestBuildsMoveAtOnce(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"one", "two", "three"} {
			dir := e.context(t, map[string]string{"f": text, "Dockerfile": "FROM alpine:3.20\nCOPY f /in/\nCOPY f /also/\nRUN cat /in/f /also/f >/out\n"})
			var doing []*Proc
			for i := range 4 {
				doing = append(doing, e.Cmd("build", "-q", "-t", text+itoa(i), dir).Start(t))
			}
			for i, p := range doing {
				p.Wait(t).OK(t)
				e.Want(t, text+text, "run", "--rm", text+itoa(i), "cat", "/out")
			}
			e.OK(t, "rmi", text+"0", text+"1", text+"2", text+"3")
		}
	})
}

// Podman writes the archive of a layer that moved as rl does.
func TestPodmanSavesWhatMoved(t *testing.T) {
	Need(t, Podman)
	e := Fresh(t, Ordinary)
	e.config(t, "storage.conf", "[storage]\ndriver=\"overlay\"\n")
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Tool("podman", "system", "migrate").Run(t) })
	dir := e.context(t, map[string]string{"d/new/x": "x", "d/hosts": "h", "f": "motd", "Dockerfile": movedFile})
	e.built(t, dir, "-t", "localhost/moved:1")
	if layers := e.movedResults(t); len(layers) != 2 {
		t.Fatalf("in the store are %q", layers)
	}
	e.Tool("podman", "save", "-q", "-o", "moved.tar", "localhost/moved:1").Run(t).OK(t)
	sums := e.Tool("sh", "-c", "mkdir x; tar -xf moved.tar -C x; cat x/*.tar >/dev/null; for l in x/*.tar; do sha256sum <$l; done | cut -c 1-64").In(filepath.Clean(e.Home)).Run(t).OK(t)
	for _, layer := range strings.Fields(strings.Trim(e.OK(t, "image", "inspect", "-f", "{{.RootFS.Layers}}", "localhost/moved:1"), "[]")) {
		if !strings.Contains(sums, strings.TrimPrefix(layer, "sha256:")) {
			t.Errorf("podman's layers have the digests %s, none of them %s", sums, layer)
		}
	}
}
