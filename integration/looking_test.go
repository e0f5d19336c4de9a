package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lookings are all commands but those of makings, where there is nothing yet: what
// they print, or the message with which they end.
var lookings = []struct{ line, says string }{
	{"ps -a", "CONTAINER ID"},
	{"images", "REPOSITORY"},
	{"images -f dangling=true", "REPOSITORY"},
	{"volume ls", "VOLUME NAME"},
	{"network ls", "bridge"},
	{"network inspect bridge", "bridge"},
	{"system df", "Local Volumes"},
	{"system df -v", "Build cache usage"},
	{"info", "Containers: 0"},
	{"version", "API version"},
	{"check", "User namespace"},
	{"events --since 1h --until now", ""},
	{"stats --no-stream", "CONTAINER ID"},
	{"completion bash", "complete"},
	{"systemd list", ""},
	{"inspect nothing", "no such object: nothing"},
	{"container inspect nothing", "no such container: nothing"},
	{"image inspect nothing", "no such image: nothing"},
	{"volume inspect nothing", "no such volume: nothing"},
	{"network inspect nothing", "no such network: nothing"},
	{"history nothing", "no such image: nothing"},
	{"save nothing", "no such image: nothing"},
	{"push nothing", "no such image"},
	{"rmi nothing", "no such image: nothing"},
	{"logs nothing", "no such container: nothing"},
	{"port nothing", "no such container: nothing"},
	{"top nothing", "no such container: nothing"},
	{"diff nothing", "no such container: nothing"},
	{"export nothing", "no such container: nothing"},
	{"cp nothing:/etc /tmp", "no such container: nothing"},
	{"start nothing", "no such container: nothing"},
	{"exec nothing true", "no such container: nothing"},
	{"attach nothing", "no such container: nothing"},
	{"stop nothing", "no such container: nothing"},
	{"restart nothing", "no such container: nothing"},
	{"kill nothing", "no such container: nothing"},
	{"wait nothing", "no such container: nothing"},
	{"rm nothing", "no such container: nothing"},
	{"pause nothing", "no such container: nothing"},
	{"unpause nothing", "no such container: nothing"},
	{"rename nothing other", "no such container: nothing"},
	{"update --cpus 1 nothing", "no such container: nothing"},
	{"kube generate nothing", "no such container: nothing"},
	{"systemd show nothing", "nothing"},
	{"volume rm nothing", "no such volume: nothing"},
	{"network rm nothing", "no such network: nothing"},
	{"network connect nothing nobody", "no such"},
	{"network disconnect nothing nobody", "no such"},
	{"search --limit 1 localhost:1/x", "localhost:1"},
	{"login -u me -p x localhost:1", "localhost:1"},
	{"logout localhost:1", "localhost:1"},
	{"container prune -f", "Total reclaimed space"},
	{"image prune -a -f", "Total reclaimed space"},
	{"volume prune -f", "Total reclaimed space"},
	{"network prune -f", ""},
	{"builder prune -f", "Total"},
	{"system prune -f", "Total reclaimed space"},
	{"system reset -f", "nothing to remove"},
	{"systemd enable nothing", ""},
	{"systemd disable nothing", ""},
	{"systemd remove nothing", "nothing"},
}

// makings are the commands that are there to make something.
var makings = []string{
	"run", "create", "pull", "tag", "load", "import", "build", "commit", "volume create", "network create", "unshare", "systemd install",
}

// Who has nothing yet can look, also where nothing can be made, and has nothing
// afterwards.
func TestLookingMakesNothing(t *testing.T) {
	for _, who := range accounts() {
		for _, mode := range []os.FileMode{0o755, 0o555} {
			if who.name == "root" && mode == 0o555 {
				continue // which root may write nevertheless
			}
			t.Run(who.name+" "+mode.String(), func(t *testing.T) {
				e := Fresh(t, who.account)
				if err := os.Chmod(e.Home, mode); err != nil {
					t.Fatal(err)
				}
				for _, l := range lookings {
					before := e.everything(t)
					r := e.Cmd(strings.Fields(l.line)...).Input("").Run(t)
					if !strings.Contains(r.Out+r.Err, l.says) {
						t.Errorf("want %q: %s", l.says, r)
					}
					if now := e.everything(t); !slices.Equal(before, now) {
						t.Errorf("%s: %v", l.line, difference(before, now))
					}
					if left := e.Processes(); len(left) > 0 {
						t.Errorf("%s: still there: %v", l.line, left)
					}
				}
			})
		}
	}
}

// mistakes are command lines of makings, with their standard input, and the messages
// with which they end.
var mistakes = []struct{ line, input, says string }{
	{"load", "", "not an image archive"},
	{"load", "hello\n", "not an image archive"},
	{"load -i /proc/self/exe", "", "not an image archive"},
	{"load -i /nothing", "", "/nothing"},
	{"load -i /proc", "", "not an image archive"},
	{"load --platform a/b/c/d", "", "wrong platform"},
	{"import - mine", strings.Repeat("hello\n", 1000), "not an image archive"},
	{"import /proc/self/exe mine", "", "not an image archive"},
	{"import /nothing", "", "/nothing"},
	{"import http://localhost:1/rootfs.tar", "", "localhost:1"},
	{"import -c NOTHING /proc/self/exe", "", "invalid change"},
	{"import /proc/self/exe bad//name", "", "invalid reference"},
	{"pull bad//name", "", "invalid reference"},
	{"pull localhost:1/x:5", "", "cannot be reached"},
	{"pull -a localhost:1/x", "", "cannot be reached"},
	{"pull --platform a/b/c/d x", "", "wrong platform"},
	{"run bad//name", "", "invalid reference"},
	{"run localhost:1/x:5", "", "cannot be reached"},
	{"run --pull never x", "", "no such image"},
	{"run --nothing x", "", "--nothing"},
	{"create localhost:1/x:5", "", "cannot be reached"},
	{"tag nothing mine", "", "no such image"},
	{"commit nothing mine", "", "no such container"},
	{"build /nothing", "", "/nothing"},
	{"build -t bad//name .", "", "invalid reference"},
	{"volume create bad/name", "", "invalid volume name"},
	{"network create --subnet nothing mine", "", "--subnet"},
}

// Who has nothing yet and makes a mistake still has nothing.
func TestMistakesMakeNothing(t *testing.T) {
	for _, who := range accounts() {
		t.Run(who.name, func(t *testing.T) {
			e := Fresh(t, who.account)
			before := e.everything(t)
			for _, m := range mistakes {
				r := e.Cmd(strings.Fields(m.line)...).Input(m.input).Run(t)
				if r.Code == 0 || strings.Count(r.Err, m.says) != 1 {
					t.Errorf("want %q once: %s", m.says, r)
				}
				if now := e.everything(t); !slices.Equal(before, now) {
					t.Fatalf("%s: %v", m.line, difference(before, now))
				}
				if left := e.Processes(); len(left) > 0 {
					t.Fatalf("%s: still there: %v", m.line, left)
				}
			}
		})
	}
}

// everything lists all files of the Env, sockets and links too.
func (e *Env) everything(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(e.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, info.Mode().String()+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every command of the help is known here as one or the other.
func TestLookingsAreComplete(t *testing.T) {
	covered := func(name string) bool {
		return slices.Contains(makings, name) ||
			slices.ContainsFunc(lookings, func(l struct{ line, says string }) bool { return strings.HasPrefix(l.line+" ", name+" ") })
	}
	seen := 0
	for line := range strings.Lines(AsUser(t).OK(t, "--help")) {
		name, summary, ok := commandOfHelp(line)
		if !ok {
			continue
		}
		if seen++; !covered(name) {
			t.Errorf("%q (%s) is neither in lookings nor in makings", name, summary)
		}
	}
	if seen < len(makings) {
		t.Errorf("only %d commands found in the help", seen)
	}
}

// commandOfHelp splits a line like "  ps              List containers".
func commandOfHelp(line string) (name, summary string, ok bool) {
	rest, ok := strings.CutPrefix(line, "  ")
	i := strings.IndexFunc(rest, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	if !ok || i < 0 || strings.HasPrefix(rest, "rl ") {
		return "", "", false
	}
	return strings.TrimSpace(rest[:i]), strings.TrimSpace(rest[i:]), true
}
