package integration

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestRename(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		for _, running := range []bool{false, true} {
			old, name := e.Name(t), e.Name(t)
			if running {
				e.ready(t, old)
			} else {
				e.OK(t, "create", "--name", old, Image, "true")
			}
			id := e.OK(t, "inspect", "-f", "{{.Id}}", old)
			e.Want(t, "", "rename", old, name)
			e.Want(t, id+" /"+name, "inspect", "-f", "{{.Id}} {{.Name}}", name)
			e.Want(t, name, "ps", "-a", "--filter", "id="+id, "--format", "{{.Names}}")
			e.Run(t, "inspect", "--type", "container", old).Exits(t, 1)
			// The old name is free, the new one is not.
			e.OK(t, "create", "--name", old, Image, "true")
			e.Run(t, "create", "--name", name, Image, "true").Exits(t, 125).Says(t, "already in use", id[:12])
			e.OK(t, "rename", id[:12], name+".2")
			e.OK(t, "rm", "-f", name+".2", old)
			e.OK(t, "create", "--name", name, Image, "true") // no name is left behind
			e.OK(t, "rm", name)
		}
	})
}

// Of several who want a name, one has it.
func TestRenameAtOnce(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		wanted := e.Name(t)
		names := []string{e.Name(t), e.Name(t), e.Name(t), e.Name(t)}
		for i, name := range names {
			if i%2 == 0 {
				e.ready(t, name)
			} else {
				e.OK(t, "create", "--name", name, Image, "true")
			}
		}
		codes := make([]int, len(names))
		var all sync.WaitGroup
		for i, name := range names {
			all.Go(func() { codes[i] = e.Run(t, "rename", name, wanted).Code })
		}
		all.Wait()
		won := 0
		for i, name := range names {
			if codes[i] == 0 {
				won++
				name = wanted
			}
			e.Want(t, "/"+name, "inspect", "-f", "{{.Name}}", name)
		}
		if won != 1 {
			t.Errorf("%d of them have the name: %v", won, codes)
		}
		e.OK(t, append([]string{"rm", "-f", wanted}, names[1:]...)...)
	})
}

// Killed in the middle, a rename has happened or has not.
func TestRenameInterrupted(t *testing.T) {
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	id := e.OK(t, "create", "--name", "old", Image, "true")
	config := filepath.Join(e.Data(), "containers", id, "config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	marked := append([]byte(`{"Renaming":"new",`), text[1:]...)
	if err := os.WriteFile(config, marked, 0o600); err != nil {
		t.Fatal(err)
	}
	e.Want(t, "/old", "inspect", "-f", "{{.Name}}", "old")
	names := filepath.Join(e.Data(), "names")
	if err := os.Rename(filepath.Join(names, "old"), filepath.Join(names, "new")); err != nil {
		t.Fatal(err)
	}
	e.Want(t, "/new", "inspect", "-f", "{{.Name}}", "new")
	e.Want(t, "new", "ps", "-a", "--format", "{{.Names}}")
	e.OK(t, "rename", "new", "old")
	e.Want(t, "/old", "inspect", "-f", "{{.Name}}", "old")
	e.OK(t, "rm", "old")
	if left, _ := os.ReadDir(names); len(left) != 0 {
		t.Errorf("names left: %v", left)
	}
}

func TestRenameBadInput(t *testing.T) {
	Each(t, func(t *testing.T, e *Env) {
		name, other := e.Name(t), e.Name(t)
		e.OK(t, "create", "--name", name, Image, "true")
		e.OK(t, "create", "--name", other, Image, "true")
		for _, tt := range []struct {
			args []string
			code int
			says string
		}{
			{[]string{name}, 125, "NEW-NAME"},
			{[]string{}, 125, "NEW-NAME"},
			{[]string{name, "a/b"}, 125, "invalid container name"},
			{[]string{name, "x"}, 125, "two characters"},
			{[]string{name, ""}, 125, "invalid container name"},
			{[]string{name, name}, 1, "already"},
			{[]string{name, other}, 1, "already in use"},
			{[]string{"no-such-one", "other-name"}, 1, "no-such-one"},
		} {
			e.Run(t, append([]string{"rename"}, tt.args...)...).Exits(t, tt.code).Says(t, tt.says)
			e.Want(t, "/"+name, "inspect", "-f", "{{.Name}}", name)
		}
	})
}
