package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// skopeo runs skopeo outside of any Env.
func skopeo(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("skopeo %q: %v: %s", args, err, out)
	}
}

// TestLoadOfWhatSkopeoSaves loads what skopeo writes, and lets skopeo read what rl
// writes.
func TestLoadOfWhatSkopeoSaves(t *testing.T) {
	Need(t, Skopeo, RealImages)
	e := Fresh(t, Ordinary)
	for name, target := range map[string]string{
		"docker": "docker-archive:%:docker.io/library/alpine:test",
		"oci":    "oci-archive:%:docker.io/library/alpine:test",
	} {
		file := filepath.Join(t.TempDir(), name+".tar")
		skopeo(t, "copy", "--quiet", "oci-archive:"+Archive("alpine-3.20.3.tar"), strings.Replace(target, "%", file, 1))
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Cmd("load").Stdin(f).Run(t).OK(t); got != "Loaded image: alpine:test" {
			t.Errorf("%s: %q", name, got)
		}
		f.Close()
	}
	for _, format := range []string{"docker-archive", "oci-archive"} {
		file := filepath.Join(t.TempDir(), "out.tar")
		if err := os.WriteFile(file, []byte(e.OK(t, "save", "--format", format, "alpine:test")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		skopeo(t, "inspect", format+":"+file)
	}
}

// TestLoadInterrupted interrupts a load that waits for its archive.
func TestLoadInterrupted(t *testing.T) {
	eachFresh(t, func(t *testing.T, e *Env) {
		archive := smallRootfs(t)
		for _, args := range [][]string{{"load"}, {"import", "-"}} {
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			p := e.Cmd(args...).Stdin(in).Start(t)
			in.Close()
			// More than a pipe holds, so that this returns once it is being read.
			if _, err := out.Write(bytes.Repeat(archive, 1+1<<20/len(archive))); err != nil {
				t.Fatal(err)
			}
			for _, process := range e.Processes() {
				if process.Ours && slices.Contains(process.Args, args[0]) {
					unix.Kill(process.PID, unix.SIGINT)
				}
			}
			p.Wait(t).Exits(t, 1)
			out.Close()
			e.Want(t, "", "images", "-q")
			if left, err := filepath.Glob(e.Data() + "/tmp/*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		}
	})
}

// TestLoadKilled kills a load, an import and all that they started while they wait
// for more of their archive. Nothing is there to be seen then, and with the next
// image what is left goes.
func TestLoadKilled(t *testing.T) {
	e := Fresh(t, Ordinary)
	layer := tarOf(t, textFile("f", strings.Repeat("x", 20<<20)), textFile("g", strings.Repeat("y", 20<<20)))
	for _, c := range []struct {
		args  []string
		input []byte
	}{{[]string{"load"}, imageOf(t, layer)}, {[]string{"import", "-"}, layer}} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := e.Cmd(c.args...).Stdin(in).Start(t)
		in.Close()
		// More than a pipe holds: the first of the files has come.
		if _, err := out.Write(c.input[:len(c.input)-4<<20]); err != nil {
			t.Fatal(err)
		}
		killed := e.Processes()
		for _, s := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} { // none sees the other die, and tidies up
			for _, process := range killed {
				unix.Kill(process.PID, s)
			}
		}
		p.Wait(t)
		out.Close()
		for _, process := range killed {
			WaitGone(t, process.PID)
		}
		e.Want(t, "", "images", "-aq")
		importSmall(t, e, "next")
		e.OK(t, "rmi", "next")
		if left := storeFiles(t, e); len(left) > 0 {
			t.Errorf("%s left behind: %q", c.args[0], left)
		}
	}
}
