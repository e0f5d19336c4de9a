package integration

import (
	"os"
	"path/filepath"
	"strings"
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
