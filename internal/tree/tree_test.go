package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func self() *Owner { return &Owner{os.Getuid(), os.Getgid()} }

func openDir(t testing.TB, dir string) *Root {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// made makes files below dir from lines "d path", "f path content", "l path target".
func made(t testing.TB, dir string, lines ...string) string {
	t.Helper()
	for _, line := range lines {
		w := strings.SplitN(line, " ", 3)
		path := filepath.Join(dir, w[1])
		var err error
		switch w[0] {
		case "d":
			err = os.MkdirAll(path, 0o755)
		case "f":
			err = os.WriteFile(path, []byte(w[2]), 0o644)
		case "l":
			err = os.Symlink(w[2], path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// found lists what is below dir, in the words of made.
func found(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || rel == ".":
		case d.IsDir():
			lines = append(lines, "d "+rel)
		case d.Type()&os.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			lines = append(lines, "l "+rel+" "+target)
		default:
			text, _ := os.ReadFile(path)
			lines = append(lines, "f "+rel+" "+string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// TestCopyRules are those of docker cp, from the source to what is there.
func TestCopyRules(t *testing.T) {
	source := []string{"d dir/sub", "f dir/a 1", "l dir/link a", "f file 2"}
	tests := []struct {
		name, from string
		there      []string
		to         string
		contents   bool
		want       string // or the error
	}{
		{"file to a new name", "file", nil, "x", false, "f x 2"},
		{"file over a file", "file", []string{"f x old"}, "x", false, "f x 2"},
		{"file into a folder", "file", []string{"d x"}, "x", false, "d x\nf x/file 2"},
		{"file to a folder that is missing", "file", nil, "x/", false, "make that folder"},
		{"file below a folder that is missing", "file", nil, "x/y", false, "no such file"},
		{"file over a link", "file", []string{"f real old", "l x real"}, "x", false, "f real 2\nl x real"},
		{"file into a linked folder", "file", []string{"d real", "l x /real"}, "x", false, "d real\nf real/file 2\nl x /real"},
		{"folder to a new name", "dir", nil, "x", false, "d x\nd x/sub\nf x/a 1\nl x/link a"},
		{"folder into a folder", "dir", []string{"d x"}, "x", false, "d x\nd x/dir\nd x/dir/sub\nf x/dir/a 1\nl x/dir/link a"},
		{"contents into a folder", "dir", []string{"d x"}, "x", true, "d x\nd x/sub\nf x/a 1\nl x/link a"},
		{"contents to a new name", "dir", nil, "x", true, "d x\nd x/sub\nf x/a 1\nl x/link a"},
		{"folder over a file", "dir", []string{"f x old"}, "x", false, "not a directory"},
		{"folder over a file in it", "dir", []string{"d x/dir", "f x/dir/sub old"}, "x", false, "not a directory"},
		{"file over a folder in it", "dir", []string{"d x/dir/a"}, "x", false, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := openDir(t, made(t, t.TempDir(), source...))
			dir := made(t, t.TempDir(), tt.there...)
			var archive bytes.Buffer
			if err := from.Pack(&archive, tt.from, ".", false); err != nil {
				t.Fatal(err)
			}
			err := openDir(t, dir).Unpack(&archive, Target{Path: tt.to, Name: tt.from, Contents: tt.contents, Owner: self()})
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if got := found(t, dir); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// What a copy keeps: modes, times, names of one file, pipes, holes.
func TestCopyKeeps(t *testing.T) {
	source := made(t, t.TempDir(), "d d/locked", "f d/a one", "f d/locked/in x")
	then := time.Unix(1_000_000_000, 5000)
	if err := errors.Join(
		os.Link(filepath.Join(source, "d/a"), filepath.Join(source, "d/b")),
		unix.Chmod(filepath.Join(source, "d/a"), 0o4750),
		unix.Mkfifo(filepath.Join(source, "d/pipe"), 0o640),
		os.Truncate(filepath.Join(source, "d/locked/in"), 1<<30),
		os.Chtimes(filepath.Join(source, "d/a"), then, then),
		os.Chtimes(filepath.Join(source, "d/locked"), then, then),
		os.Chmod(filepath.Join(source, "d/locked"), 0o500),
	); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(openDir(t, source).Pack(writer, "d", ".", true)) }()
	if err := openDir(t, dir).Unpack(reader, Target{Path: "x", Name: "d", Owner: self()}); err != nil {
		t.Fatal(err)
	}
	var a, b, pipe, locked, in unix.Stat_t
	for name, st := range map[string]*unix.Stat_t{"a": &a, "b": &b, "pipe": &pipe, "locked": &locked, "locked/in": &in} {
		if err := unix.Lstat(filepath.Join(dir, "x", name), st); err != nil {
			t.Fatal(err)
		}
	}
	if a.Ino != b.Ino || a.Mode != unix.S_IFREG|0o4750 || a.Mtim.Nano() != then.UnixNano() {
		t.Errorf("the file: %+v, its other name: %+v", a, b)
	}
	if pipe.Mode != unix.S_IFIFO|0o640 || locked.Mode != unix.S_IFDIR|0o500 || locked.Mtim.Nano() != then.UnixNano() {
		t.Errorf("the pipe: %+v, the folder: %+v", pipe, locked)
	}
	if in.Size != 1<<30 || in.Blocks > 2048 {
		t.Errorf("a hole became %d blocks of %d bytes", in.Blocks, in.Size)
	}
	os.Chmod(filepath.Join(dir, "x/locked"), 0o700)
	os.Chmod(filepath.Join(source, "d/locked"), 0o700)
}

func archive(entries ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write(make([]byte, min(h.Size, 1<<10)))
		}
	}
	w.Flush()
	return b.Bytes()
}

// Archives that reach out end in an error, and nothing outside is touched.
func TestHostileArchives(t *testing.T) {
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir} }
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	hard := func(name, to string) tar.Header { return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink} }
	tests := map[string][]tar.Header{
		"dots":                     {file("../secret")},
		"dots in the middle":       {dir("a"), file("a/../../secret")},
		"through a link":           {link("out", ".."), file("out/secret")},
		"through an absolute link": {link("out", "OUTSIDE"), file("out/secret")},
		"through two links":        {dir("a"), link("a/b", "OUTSIDE"), link("c", "a"), file("c/b/secret")},
		"hard link outside":        {hard("h", "../secret")},
		"absolute hard link":       {hard("h", "OUTSIDE/secret")},
		"hard link by a link":      {link("out", "OUTSIDE"), hard("h", "out/secret")},
		"device":                   {{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}},
		"character device":         {{Name: "mem", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1}},
		"unknown kind":             {{Name: "x", Typeflag: 'Z'}},
		"eight gigabytes claimed":  {{Name: "big", Typeflag: tar.TypeReg, Size: 8 << 30}},
		"folder becomes a link":    {dir("a"), link("a", "OUTSIDE"), file("a/secret")},
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			outer := made(t, t.TempDir(), "d in", "f secret kept")
			for i := range entries {
				entries[i].Linkname = strings.ReplaceAll(entries[i].Linkname, "OUTSIDE", outer)
			}
			data := archive(entries...)
			for _, noLinks := range []bool{true, false} {
				inside := openDir(t, filepath.Join(outer, "in"))
				err := inside.Unpack(bytes.NewReader(data), Target{Path: "/", Name: "x", Owner: self(), NoLinks: noLinks})
				if err == nil && (noLinks || !strings.Contains(name, "through")) {
					t.Errorf("unpacked, without links: %v", noLinks)
				}
				if text, err := os.ReadFile(filepath.Join(outer, "secret")); err != nil || string(text) != "kept" {
					t.Errorf("outside: %q, %v", text, err)
				}
				if entries, err := os.ReadDir(outer); err != nil || len(entries) != 2 {
					t.Errorf("outside: %v, %v", entries, err)
				}
				if _, err := os.Stat(filepath.Join(outer, "in/big")); err == nil {
					t.Error("a piece of a file is left")
				}
				os.RemoveAll(filepath.Join(outer, "in"))
				made(t, outer, "d in")
			}
		})
	}
}

// A folder that somebody swaps for a link all the time leads nowhere.
func TestRaceOfFolderAndLink(t *testing.T) {
	outer := made(t, t.TempDir(), "d in/a", "d in/b", "f secret kept")
	stop := make(chan struct{})
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		a, b := filepath.Join(outer, "in/a"), filepath.Join(outer, "in/link")
		os.Symlink(outer, b)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	data := archive(tar.Header{Name: "a/secret", Typeflag: tar.TypeReg}, tar.Header{Name: "a/secret2", Typeflag: tar.TypeReg})
	inside := openDir(t, filepath.Join(outer, "in"))
	for range 300 {
		_ = inside.Unpack(bytes.NewReader(data), Target{Path: "/", Owner: self()}) // either outcome will do
		_ = inside.Pack(io.Discard, "a", ".", false)
	}
	close(stop)
	<-swapped
	if text, err := os.ReadFile(filepath.Join(outer, "secret")); err != nil || string(text) != "kept" {
		t.Errorf("outside: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(outer, "secret2")); err == nil {
		t.Error("a file was made outside")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 3}))
	f.Add(archive(tar.Header{Name: "l", Linkname: "/", Typeflag: tar.TypeSymlink}, tar.Header{Name: "l/x", Typeflag: tar.TypeReg}))
	f.Add(archive(tar.Header{Name: "../x", Typeflag: tar.TypeReg}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		outer := made(t, t.TempDir(), "d in")
		r, err := Open(filepath.Join(outer, "in"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_ = r.Unpack(bytes.NewReader(data), Target{Path: "/", Name: "x", Owner: self(), NoLinks: true})
		_ = r.Unpack(bytes.NewReader(data), Target{Path: "/", Contents: true, Owner: self(), Layer: true, Whiteouts: true})
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Errorf("outside: %v, %v", entries, err)
		}
	})
}

func TestResolve(t *testing.T) {
	r := openDir(t, made(t, t.TempDir(), "d a/b", "l up a/b/..", "l abs /a/b", "l loop loop", "l out ../../../a", "l a/b/back ../../abs"))
	for name, want := range map[string]string{
		"/": "", "a/b": "a/b", "up": "a", "abs/new": "a/b/new", "out/b": "a/b", "a/b/back": "a/b", "no/such/../file": "no/file", "../..": "",
	} {
		if got, err := r.Resolve(name); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := r.Resolve("loop"); !errors.Is(err, unix.ELOOP) {
		t.Error(fmt.Sprint("loop: ", err))
	}
}
