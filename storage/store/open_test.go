package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"
)

func TestChooseFolders(t *testing.T) {
	t.Setenv("CONTAINERS_STORAGE_CONF", "")
	data := t.TempDir()
	for name, c := range map[string]struct {
		uid     int
		remote  string
		options []string
		moves   bool
		warns   bool
	}{
		"ordinary":           {uid: 1000},
		"root":               {uid: 0, moves: true},
		"NFS":                {uid: 1000, remote: "NFS", moves: true, warns: true},
		"NFS with a program": {uid: 1000, remote: "NFS", options: []string{"overlay.mount_program=/usr/bin/fuse-overlayfs"}},
	} {
		var warnings []string
		opts := types.StoreOptions{GraphRoot: "/home/x/storage", RunRoot: "/run/x", GraphDriverOptions: c.options}
		chooseFolders(Options{Data: data, Runtime: "/run/rl", UID: c.uid, Warn: func(l string) { warnings = append(warnings, l) }}, &opts, c.remote)
		if moved := opts.GraphRoot == filepath.Join(data, "storage"); moved != c.moves || (opts.RunRoot == "/run/rl/storage") != moved {
			t.Errorf("%s: %s, %s", name, opts.GraphRoot, opts.RunRoot)
		}
		if (len(warnings) == 1) != c.warns {
			t.Errorf("%s: %q", name, warnings)
		}
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", "/conf")
	opts := types.StoreOptions{GraphRoot: "/asked/for"}
	if chooseFolders(Options{Data: data}, &opts, "NFS"); opts.GraphRoot != "/asked/for" {
		t.Errorf("a configuration that was named is not followed: %s", opts.GraphRoot)
	}
}

func TestChooseDriver(t *testing.T) {
	for name, c := range map[string]struct{ before, after types.StoreOptions }{
		"nothing said": {types.StoreOptions{}, types.StoreOptions{GraphDriverName: "overlay", GraphDriverOptions: []string{"overlay.ignore_chown_errors=true", "overlay.skip_mount_home=true"}}},
		"vfs said":     {types.StoreOptions{GraphDriverName: "vfs"}, types.StoreOptions{GraphDriverName: "vfs", GraphDriverOptions: []string{"vfs.ignore_chown_errors=true"}}},
		"a priority":   {types.StoreOptions{GraphDriverPriority: []string{"btrfs"}}, types.StoreOptions{GraphDriverPriority: []string{"btrfs"}}},
		"chown said":   {types.StoreOptions{GraphDriverOptions: []string{".ignore_chown_errors=false"}}, types.StoreOptions{GraphDriverName: "overlay", GraphDriverOptions: []string{".ignore_chown_errors=false", "overlay.skip_mount_home=true"}}},
		"a mount said": {types.StoreOptions{GraphDriverName: "overlay", GraphDriverOptions: []string{"overlay.skip_mount_home=false"}}, types.StoreOptions{GraphDriverName: "overlay", GraphDriverOptions: []string{"overlay.skip_mount_home=false", "overlay.ignore_chown_errors=true"}}},
	} {
		if chooseDriver(&c.before); !reflect.DeepEqual(c.before, c.after) {
			t.Errorf("%s: %+v", name, c.before)
		}
	}
}

// openWith opens a store by a storage.conf with more lines.
func openWith(t *testing.T, driver, more string) *Store {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver=%q\ngraphroot=%q\nrunroot=%q\n%s", driver, filepath.Join(dir, "graph"), filepath.Join(dir, "run"), more)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	s := openStore(t, filepath.Join(dir, "data"))
	t.Cleanup(func() {
		if _, err := s.store.Shutdown(true); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestMount mounts what the records say, for each driver, and reads and writes.
func TestMount(t *testing.T) {
	fuse, err := exec.LookPath("fuse-overlayfs")
	if err != nil {
		t.Log("fuse-overlayfs is not tried: apt-get install fuse-overlayfs")
	}
	for name, open := range map[string]func(t *testing.T) *Store{
		"overlay": newStore,
		"vfs":     func(t *testing.T) *Store { return openWith(t, "vfs", "") },
		"fuse": func(t *testing.T) *Store {
			if fuse == "" {
				t.Skip("apt-get install fuse-overlayfs")
			}
			return openWith(t, "overlay", "[storage.options.overlay]\nmount_program=\""+fuse+"\"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			importImage(t, s, "a")
			root := mount(t, s, "a")
			if content, err := os.ReadFile(filepath.Join(root, "bin/a")); err != nil || string(content) != "a" {
				t.Errorf("%q, %v", content, err)
			}
			if err := os.Remove(filepath.Join(root, "bin/a")); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); err != nil {
				t.Error(err)
			}
		})
	}
}

// mount mounts an image as a container's root, in folders whose names have
// every character that mount options treat in a special way.
func mount(t *testing.T, s *Store, ref string) string {
	t.Helper()
	img := lookup(t, s, ref)
	dir := filepath.Join(t.TempDir(), `a,b:c\d`)
	if img.Store.Program != "" {
		dir = filepath.Join(t.TempDir(), `a,b\d`)
	}
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o, err := img.Overlay(filepath.Join(dir, "upper"), filepath.Join(dir, "work"), true)
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if o.Program != "" {
		if out, err := exec.Command(o.Program, "-o", o.Options, root).CombinedOutput(); err != nil {
			t.Fatalf("%s -o %s: %v: %s", o.Program, o.Options, err, strings.TrimSpace(string(out)))
		}
	} else {
		t.Chdir(o.Folder)
		if err := unix.Mount("overlay", root, "overlay", 0, o.Options); err != nil {
			t.Fatalf("%s: %v", o.Options, err)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	return root
}
