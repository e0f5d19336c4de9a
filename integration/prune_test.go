package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestContainerPrune(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		label := e.Name(t)
		kept, ended, made, up := e.Name(t), e.Name(t), e.Name(t), e.Name(t)
		e.OK(t, "run", "--name", kept, "-l", "test="+label, "-l", "keep", Image, "true")
		e.OK(t, "run", "--name", ended, "-l", "test="+label, Image, "sh", "-c", "echo 12345 >/file")
		e.OK(t, "create", "--name", made, "-l", "test="+label, Image, "true")
		e.OK(t, "run", "-d", "--name", up, "-l", "test="+label, Image, "sleep", "1000")
		ids := e.OK(t, "inspect", "-f", "{{.Id}}", ended, made)
		filters := []string{"--filter", "label=test=" + label, "--filter", "label!=keep"}

		e.Want(t, "Total reclaimed space: 0B", append([]string{"container", "prune", "-f", "--filter", "until=1h"}, filters...)...)
		no := e.Cmd(append([]string{"container", "prune"}, filters...)...).Input("n\n").Run(t).OK(t)
		if want := "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "; no != want {
			t.Errorf("it asks %q, not %q", no, want)
		}
		yes := e.Cmd(append([]string{"container", "prune"}, filters...)...).Input("y\n").Run(t).OK(t)
		_, report, _ := strings.Cut(yes, "[y/N] ")
		lines := strings.Split(report, "\n")
		if len(lines) != 5 || lines[0] != "Deleted Containers:" || lines[3] != "" || lines[4] != "Total reclaimed space: 6B" {
			t.Errorf("it reports %q", report)
		}
		for _, id := range strings.Fields(ids) {
			if !strings.Contains(report, id) {
				t.Errorf("no %s in %q", id, report)
			}
		}
		left := e.listed(t, own(label)...)
		if !strings.Contains(left, kept) || !strings.Contains(left, up) || len(strings.Fields(left)) != 2 {
			t.Errorf("left are %s, not %s and %s", left, kept, up)
		}
		e.OK(t, "rm", "-f", kept, up)
	})
}

func TestVolumePrune(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "volume", "create", "named")
	e.OK(t, "volume", "create", "--label", "keep", "marked")
	anonymous := e.OK(t, "volume", "create")
	e.OK(t, "create", "--name", "user", "-v", "used:/used", "-v", "/data", Image, "true")
	used := strings.Fields(e.OK(t, "inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", "user"))

	asked := e.Cmd("volume", "prune").Input("").Run(t).OK(t)
	if !strings.HasPrefix(asked, "WARNING! This will remove all anonymous local volumes not used by at least one container.\n") {
		t.Errorf("it asks %q", asked)
	}
	e.Want(t, "Deleted Volumes:\n"+anonymous+"\n\nTotal reclaimed space: 0B", "volume", "prune", "-f")
	e.Want(t, "Deleted Volumes:\nnamed\n\nTotal reclaimed space: 0B", "volume", "prune", "-f", "--filter", "all=1", "--filter", "label!=keep")
	e.Want(t, "Deleted Volumes:\nmarked\n\nTotal reclaimed space: 0B", "volume", "prune", "-af")
	for _, name := range used {
		e.OK(t, "volume", "inspect", name)
	}
	e.OK(t, "rm", "-v", "user")
	e.Want(t, "used", "volume", "ls", "-q")
	e.Want(t, "Deleted Volumes:\nused\n\nTotal reclaimed space: 0B", "volume", "prune", "-af")
}

func TestPruneBadInput(t *testing.T) {
	e := AsUser(t)
	for _, tt := range []struct {
		args  string
		words []string
	}{
		{"container prune -f --filter colour=red", []string{"colour", "until"}},
		{"container prune -f --filter until=soon", []string{"soon"}},
		{"container prune -f --filter until=1h --filter until=2h", []string{"until"}},
		{"container prune -f --filter label", []string{"label=VALUE"}},
		{"container prune extra", []string{"extra"}},
		{"volume prune -f --filter all=perhaps", []string{"perhaps"}},
		{"volume prune -f --filter name=x", []string{"name"}},
	} {
		r := e.Run(t, strings.Fields(tt.args)...).Exits(t, 125).Says(t, tt.words...)
		if r.Out != "" || lines(r.Err) > 2 {
			t.Error(r)
		}
	}
}

// Two at once remove each thing once, and neither fails.
func TestPrunesAtOnce(t *testing.T) {
	e := AsUser(t)
	label := e.Name(t)
	const many = 12
	for range many {
		e.OK(t, "create", "-l", "test="+label, Image, "true")
		e.OK(t, "volume", "create", "--label", "test="+label)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	removed := map[string]int{}
	for _, kind := range []string{"container", "volume"} {
		for range 3 {
			all.Go(func() {
				r, err := e.Cmd(kind, "prune", "-f", "--filter", "label=test="+label).Do()
				if err != nil || r.Code != 0 {
					t.Errorf("%v: %v", err, r)
				}
				mu.Lock()
				defer mu.Unlock()
				for word := range strings.FieldsSeq(r.Out) {
					if len(word) == 64 {
						removed[word]++
					}
				}
			})
		}
	}
	all.Wait()
	if len(removed) != 2*many {
		t.Errorf("%d things were told to be removed, not %d", len(removed), 2*many)
	}
	if left := e.listed(t, own(label)...); left != "" {
		t.Errorf("left: %s", left)
	}
	if left := e.volumes(t, label); left != "" {
		t.Errorf("left: %s", left)
	}
}

// What a killed process leaves of a container, at whatever moment, is no
// container, blocks no name, and goes with the next prune.
func TestHalfMadeContainersAreSweptAway(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	e.OK(t, "run", "--rm", Image, "true")
	id := strings.Repeat("0123456789abcdef", 4)
	half := filepath.Join(e.Data(), "containers", id)
	make := func() {
		t.Helper()
		for _, dir := range []string{half, filepath.Join(half, "upper")} {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			e.own(t, dir)
		}
		lock := filepath.Join(half, "lock")
		if err := os.WriteFile(lock, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e.own(t, lock)
	}
	make()
	name := filepath.Join(e.Data(), "names", "half")
	if err := os.Symlink("../containers/"+id, name); err != nil {
		t.Fatal(err)
	}
	e.Want(t, "", "ps", "-aq")
	e.OK(t, "run", "--rm", "--name", "half", Image, "true") // the name is free
	if err := os.Symlink("../containers/"+id, name); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	e.OK(t, "container", "prune", "-f")
	for _, path := range []string{half, name} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}
