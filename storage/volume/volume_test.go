package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func unused() (string, error) { return "", nil }

func testStore(t *testing.T) Store {
	t.Helper()
	return Store{t.TempDir()}
}

func mustCreate(t *testing.T, s Store, v Volume) Volume {
	t.Helper()
	made, err := s.Create(v)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCreateOnceAndAgain(t *testing.T) {
	s := testStore(t)
	first := mustCreate(t, s, Volume{Name: "data", Labels: map[string]string{"a": "b"}})
	again := mustCreate(t, s, Volume{Name: "data"})
	if !again.Created.Equal(first.Created) || again.Labels["a"] != "b" {
		t.Errorf("made %+v, then got %+v", first, again)
	}
	list, err := s.List()
	if err != nil || len(list) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
}

func TestReadingMakesNothing(t *testing.T) {
	s := testStore(t)
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("listed %v, %v", list, err)
	}
	if _, err := s.Get("data"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(s.Data); len(entries) != 0 {
		t.Errorf("made %v", entries)
	}
}

func TestNamesAndOptionsThatAreRefused(t *testing.T) {
	s := testStore(t)
	for _, c := range []struct {
		v    Volume
		want error
	}{
		{Volume{Name: ""}, ErrInvalidName},
		{Volume{Name: "a"}, ErrInvalidName},
		{Volume{Name: ".hidden"}, ErrInvalidName},
		{Volume{Name: "../up"}, ErrInvalidName},
		{Volume{Name: "two words"}, ErrInvalidName},
		{Volume{Name: strings.Repeat("x", 256)}, ErrInvalidName},
		{Volume{Name: "data", Options: map[string]string{"size": "1g"}}, ErrOption},
		{Volume{Name: "data", Options: map[string]string{"type": "tmpfs", "device": "tmpfs"}}, ErrOption},
		{Volume{Name: "data", Options: map[string]string{"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"}}, ErrOption},
		{Volume{Name: "data", Options: map[string]string{"type": "none", "o": "bind", "device": "relative"}}, ErrOption},
		{Volume{Name: "data", Options: map[string]string{"type": "none", "o": "bind,suid", "device": "/tmp"}}, ErrOption},
		{Volume{Name: "data", Options: map[string]string{"type": "none", "o": "bind", "device": "/no/such/folder"}}, ErrOption},
	} {
		if _, err := s.Create(c.v); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, not %v", c.v, err, c.want)
		}
	}
	if entries, _ := os.ReadDir(s.Data); len(entries) != 0 {
		t.Errorf("made %v", entries)
	}
}

func TestConflictingOptionsAreRefused(t *testing.T) {
	s := testStore(t)
	mustCreate(t, s, Volume{Name: "data"})
	bind := map[string]string{"type": "none", "o": "bind", "device": t.TempDir()}
	if _, err := s.Create(Volume{Name: "data", Options: bind}); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v", err)
	}
}

// source is a folder as an image may have it.
func source(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(dir+"/sub/deep", 0o755))
	must(os.WriteFile(dir+"/file", []byte("text"), 0o640))
	must(os.Link(dir+"/file", dir+"/sub/same"))
	must(os.Symlink("/etc/passwd", dir+"/link"))
	must(unix.Mkfifo(dir+"/pipe", 0o600))
	must(unix.Setxattr(dir+"/file", "user.colour", []byte("red"), 0))
	sparse, err := os.Create(dir + "/sparse")
	must(err)
	_, err = sparse.WriteAt([]byte("end"), 8<<20)
	must(err)
	must(sparse.Close())
	must(unix.Chmod(dir+"/sub", 0o2750))
	must(os.Chmod(dir, 0o700))
	old := time.Unix(1e9, 0)
	must(os.Chtimes(dir+"/file", old, old))
	must(os.Chtimes(dir, old, old))
	return dir
}

func TestFillKeepsEverything(t *testing.T) {
	s, from := testStore(t), source(t)
	l, err := s.Lease(Volume{Name: "data"}, func(to string) error { return CopyTree(from, to, nil) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := s.Mountpoint("data")
	stat := func(name string) (st unix.Stat_t) {
		t.Helper()
		if err := unix.Lstat(filepath.Join(data, name), &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	if top := stat("."); top.Mode&0o7777 != 0o700 || top.Mtim.Sec != 1e9 {
		t.Errorf("the folder itself: mode %o, time %v", top.Mode, top.Mtim)
	}
	if f := stat("file"); f.Mode&0o7777 != 0o640 || f.Mtim.Sec != 1e9 || f.Nlink != 2 || f.Ino != stat("sub/same").Ino {
		t.Errorf("a file with two names: %+v", f)
	}
	if sub := stat("sub"); sub.Mode&0o7777 != 0o2750 {
		t.Errorf("a folder's mode: %o", sub.Mode)
	}
	if target, _ := os.Readlink(data + "/link"); target != "/etc/passwd" {
		t.Errorf("a link to %q", target)
	}
	if p := stat("pipe"); p.Mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("a pipe: mode %o", p.Mode)
	}
	if sp := stat("sparse"); sp.Size != 8<<20+3 || sp.Blocks*512 > 1<<20 {
		t.Errorf("a file with a hole: %d bytes, %d blocks", sp.Size, sp.Blocks)
	}
	value := make([]byte, 8)
	if n, err := unix.Getxattr(data+"/file", "user.colour", value); err != nil || string(value[:n]) != "red" {
		t.Errorf("attribute %q, %v", value[:max(n, 0)], err)
	}
}

func TestOwnersAreTranslated(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	s, from := testStore(t), source(t)
	l, err := s.Lease(Volume{Name: "data"}, func(to string) error {
		return CopyTree(from, to, func(uid, gid int) (int, int) { return uid + 1000, gid + 2000 })
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{".", "file", "link", "sub/deep"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(s.Mountpoint("data"), name), &st); err != nil || st.Uid != 1000 || st.Gid != 2000 {
			t.Errorf("%s belongs to %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
}

func TestAVolumeWithDataIsNotFilled(t *testing.T) {
	s := testStore(t)
	mustCreate(t, s, Volume{Name: "data"})
	if err := os.WriteFile(s.Mountpoint("data")+"/mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lease(Volume{Name: "data"}, func(string) error { t.Error("it was"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestAFailedFillLeavesNothing(t *testing.T) {
	s, broken := testStore(t), errors.New("broken")
	_, err := s.Lease(Volume{Name: "data"}, func(to string) error {
		os.WriteFile(to+"/half", nil, 0o600)
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(s.path("data")); len(entries) != 3 || !s.empty("data") {
		t.Errorf("left %v", entries)
	}
}

// What a killed process has left is gone on with, whichever moment it was.
func TestAnInterruptedFillIsFinished(t *testing.T) {
	for name, prepare := range map[string]func(s Store){
		"while it was copied": func(s Store) {
			os.Mkdir(s.path("data", "fill"), 0o755)
			os.WriteFile(s.path("data", "fill", "half"), nil, 0o600)
		},
		"before anything was moved": func(s Store) {
			os.Mkdir(s.path("data", "ready"), 0o750)
			os.WriteFile(s.path("data", "ready", "a"), []byte("a"), 0o600)
			os.WriteFile(s.path("data", "ready", "b"), []byte("b"), 0o600)
		},
		"after one was moved": func(s Store) {
			os.Mkdir(s.path("data", "ready"), 0o750)
			os.WriteFile(s.path("data", "_data", "a"), []byte("a"), 0o600)
			os.WriteFile(s.path("data", "ready", "b"), []byte("b"), 0o600)
		},
		"when all were moved": func(s Store) {
			os.Mkdir(s.path("data", "ready"), 0o750)
			os.WriteFile(s.path("data", "_data", "a"), []byte("a"), 0o600)
			os.WriteFile(s.path("data", "_data", "b"), []byte("b"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			mustCreate(t, s, Volume{Name: "data"})
			prepare(s)
			l, err := s.Lease(Volume{Name: "data"}, func(to string) error {
				os.Chmod(to, 0o750)
				os.WriteFile(to+"/a", []byte("a"), 0o600)
				return os.WriteFile(to+"/b", []byte("b"), 0o600)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, file := range []string{"a", "b"} {
				if text, _ := os.ReadFile(s.path("data", "_data", file)); string(text) != file {
					t.Errorf("%s holds %q", file, text)
				}
			}
			if info, _ := os.Stat(s.Mountpoint("data")); info.Mode().Perm() != 0o750 {
				t.Errorf("mode %v", info.Mode())
			}
			if entries, _ := os.ReadDir(s.path("data")); len(entries) != 4 {
				t.Errorf("left %v", entries)
			}
		})
	}
}

func TestWhatAContainerWroteMeanwhileStays(t *testing.T) {
	s := testStore(t)
	mustCreate(t, s, Volume{Name: "data"})
	l, err := s.Lease(Volume{Name: "data"}, func(to string) error {
		os.WriteFile(to+"/same", []byte("image"), 0o600)
		return os.WriteFile(s.Mountpoint("data")+"/same", []byte("container"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if text, _ := os.ReadFile(s.Mountpoint("data") + "/same"); string(text) != "container" {
		t.Errorf("it holds %q", text)
	}
}

func TestRemoveAsksForUsers(t *testing.T) {
	s := testStore(t)
	mustCreate(t, s, Volume{Name: "data"})
	if _, err := s.Remove("data", func() (string, error) { return "4f2a", nil }); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "4f2a") {
		t.Errorf("of one in use: %v", err)
	}
	l, err := s.Lease(Volume{Name: "data"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("data", unused); !errors.Is(err, ErrInUse) {
		t.Errorf("of one that is taken into use: %v", err)
	}
	l.Close()
	trash, err := s.Remove("data", unused)
	if err != nil {
		t.Fatal(err)
	}
	if err := Purge(trash); err != nil {
		t.Error(err)
	}
	if _, err := s.Remove("data", unused); !errors.Is(err, ErrNotFound) {
		t.Errorf("of one that is gone: %v", err)
	}
}

// Making, using and removing at once: whoever has a lease has a folder.
func TestLeaseAgainstRemove(t *testing.T) {
	s := testStore(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				l, err := s.Lease(Volume{Name: "data"}, func(to string) error { return os.WriteFile(to+"/whole", nil, 0o600) })
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(s.Mountpoint("data") + "/whole"); err != nil {
					t.Error(err)
				}
				l.Close()
			}
		})
		all.Go(func() {
			for range 100 {
				trash, err := s.Remove("data", unused)
				if err == nil {
					err = Purge(trash)
				} else if errors.Is(err, ErrInUse) || errors.Is(err, ErrNotFound) {
					err = nil
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestALostRecordIsMadeUp(t *testing.T) {
	s := testStore(t)
	mustCreate(t, s, Volume{Name: "data"})
	if err := os.Truncate(s.path("data", "volume.json"), 0); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Get("data"); err != nil || v.Name != "data" || v.Anonymous {
		t.Errorf("got %+v, %v", v, err)
	}
}

func FuzzGet(f *testing.F) {
	f.Add([]byte(`{"Name":"data","Created":"2026-01-02T03:04:05Z","Labels":{"a":"b"}}`))
	f.Add([]byte(`{"Name":"other"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, record []byte) {
		s := Store{t.TempDir()}
		mustCreate(t, s, Volume{Name: "data"})
		if err := os.WriteFile(s.path("data", "volume.json"), record, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Get("data"); err != nil || v.Name != "data" {
			t.Errorf("got %+v, %v", v, err)
		}
	})
}
