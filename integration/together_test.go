package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// atOnce runs command lines at the same time.
func (e *Env) atOnce(t *testing.T, commands ...[]string) []Result {
	t.Helper()
	results, errs := make([]Result, len(commands)), make([]error, len(commands))
	var all sync.WaitGroup
	for i, args := range commands {
		all.Go(func() { results[i], errs[i] = e.Cmd(args...).Do() })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return results
}

// Two commands that want the same thing at once: each ends, in one of the ways
// that make sense, and what they leave is whole.
func TestTwoAtOnce(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		gone := []string{"", "no such container", "not running", "is being removed", "running"}
		for _, tt := range []struct {
			name     string
			one, two string // NAME is a running container, STOPPED one that is not
			says     []string
			left     bool // whether NAME may be left
		}{
			{"rm and rm", "rm -f NAME", "rm -f NAME", gone, false},
			{"rm and rm of a stopped one", "rm STOPPED", "rm STOPPED", gone, true},
			{"stop and rm", "stop -t 0 NAME", "rm -f NAME", gone, false},
			{"kill and rm", "kill NAME", "rm -f NAME", gone, false},
			{"restart and rm", "restart -t 0 NAME", "rm -f NAME", gone, true},
			{"start and rm", "start STOPPED", "rm -f STOPPED", gone, true},
			{"start and start", "start STOPPED", "start STOPPED", nil, true},
			{"stop and stop", "stop -t 0 NAME", "stop -t 0 NAME", nil, true},
			{"exec and rm", "exec NAME true", "rm -f NAME", append(gone, "ended"), false},
			{"cp and rm", "cp NAME:/etc - ", "rm -f NAME", append(gone, "ended", "no such file"), false},
			{"pause and rm", "pause NAME", "rm -f NAME", append(gone, "paus"), false},
			{"update and rm", "update --restart no NAME", "rm -f NAME", gone, false},
			{"rename and rm", "rename NAME NAME-new", "rm -f NAME", gone, false},
			{"prune and start", "container prune -f", "start STOPPED", gone, true},
			{"prune and run", "container prune -f", "run --rm --network none IMAGE true", gone, true},
			{"commit and rm", "commit NAME two-at-once", "rm -f NAME", append(gone, "no such file"), false},
			{"logs and rm", "logs NAME", "rm -f NAME", gone, false},
			{"inspect and rm", "inspect NAME", "rm -f NAME", append(gone, "no such object"), false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				for range 3 {
					name, stopped := e.Name(t), e.Name(t)
					e.OK(t, "run", "-d", "--network", "none", "--name", name, Image, "sleep", "1000")
					e.OK(t, "create", "--network", "none", "--name", stopped, Image, "sleep", "1000")
					words := strings.NewReplacer("NAME", name, "STOPPED", stopped, "IMAGE", Image)
					results := e.atOnce(t, strings.Fields(words.Replace(tt.one)), strings.Fields(words.Replace(tt.two)))
					ok := 0
					for _, r := range results {
						killed := r.Code == 137 && strings.HasPrefix(tt.one, "exec") // with the container
						if ok += btoi(r.Code == 0); r.Code != 0 && !killed && !saysOneOf(r, tt.says) {
							t.Errorf("not a way to end: %s", r)
						}
					}
					if ok == 0 {
						t.Errorf("neither worked: %v", results)
					}
					if left := e.OK(t, "ps", "-aq", "-f", "name="+name); left != "" && !tt.left && !strings.Contains(tt.one, "rename") {
						t.Errorf("left: %s", left)
					}
					for _, n := range []string{name, name + "-new", stopped} {
						e.Run(t, "rm", "-f", n)
					}
				}
			})
		}
	})
}

// Of several that want one name, one gets it, and the others keep theirs.
func TestRenameTogether(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		wanted := e.Name(t)
		var commands [][]string
		ids := map[string]string{}
		for range 4 {
			name := e.Name(t)
			ids[e.OK(t, "create", "--name", name, Image)] = name
			commands = append(commands, []string{"rename", name, wanted})
		}
		won := 0
		for _, r := range e.atOnce(t, commands...) {
			if won += btoi(r.Code == 0); r.Code != 0 {
				r.Says(t, wanted, "in use")
			}
		}
		if won != 1 {
			t.Errorf("%d have the name", won)
		}
		for id, name := range ids {
			if now := e.OK(t, "inspect", "-f", "{{.Name}}", id); now != "/"+name && now != "/"+wanted {
				t.Errorf("%s is now %s", name, now)
			}
		}
		e.OK(t, append([]string{"rm"}, keys(ids)...)...)
	})
}

// One container that is renamed to two names at once has one of them, and the
// other is free.
func TestRenameOfOneTogether(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for range 5 {
			name := e.Name(t)
			id := e.OK(t, "create", "--name", name, Image)
			e.atOnce(t, []string{"rename", name, name + "-a"}, []string{"rename", id, name + "-b"})
			now := strings.TrimPrefix(e.OK(t, "inspect", "-f", "{{.Name}}", id), "/")
			for _, n := range []string{name, name + "-a", name + "-b"} {
				if n != now {
					e.OK(t, "rm", e.OK(t, "create", "--name", n, Image))
				}
			}
			e.OK(t, "rm", now)
		}
	})
}

func saysOneOf(r Result, words []string) bool {
	for _, w := range words {
		if w != "" && strings.Contains(strings.ToLower(r.Err), w) {
			return true
		}
	}
	return false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func keys(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

// A folder that is turned into a link to the host, and back, while files are
// copied to and from it: nothing outside is read or written.
func TestCopyAgainstLinks(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		outside, name := e.Folder(t), e.Name(t)
		secret := e.Folder(t) + "/secret"
		e.Tool("sh", "-c", fmt.Sprintf("echo untouched > %s/file; echo secret > %s; mkdir %s/tree; echo mine > %s/tree/file", outside, secret, outside, outside)).Run(t).OK(t)
		swap := fmt.Sprintf("mkdir /real; echo inside > /real/file; cd /; echo ready; while :; do ln -s %s /d; rm /d; mkdir /d; echo inside > /d/file; mv /d /e; ln -s %s/secret /d; rm /d; rm -rf /e; done", outside, outside)
		p := e.Cmd("run", "--name", name, "-v", outside+":/unused:ro", Image, "sh", "-c", swap).Start(t)
		p.Expect(t, "ready\n")
		for range 40 {
			r := e.Run(t, "cp", name+":/d/file", "-")
			if strings.Contains(r.Out, "untouched") || strings.Contains(r.Out, "secret") {
				t.Fatalf("read outside: %s", r)
			}
			e.Run(t, "cp", outside+"/tree/.", name+":/d")
		}
		e.OK(t, "rm", "-f", name)
		p.Wait(t)
		got := e.Tool("sh", "-c", fmt.Sprintf("cat %s/file; ls %s", outside, outside)).Run(t).OK(t)
		if got != "untouched\nfile\ntree" {
			t.Errorf("outside there is now %q", got)
		}
	})
}
