package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func TestSaveAndLoad(t *testing.T) {
	for _, format := range []string{FormatDocker, FormatOCI} {
		t.Run(format, func(t *testing.T) {
			s := newStore(t)
			a, b := importImage(t, s, "a", "LABEL l=1"), importImage(t, s, "quay.io/x/b:2")
			if err := s.Tag("a", "second:name"); err != nil {
				t.Fatal(err)
			}
			archive := save(t, s, format, "a", "second:name", b)
			for _, ref := range []string{"a", "second:name", b} {
				if _, err := s.Remove(ref, false); err != nil {
					t.Fatal(err)
				}
			}
			loaded, err := s.Load(context.Background(), bytes.NewReader(archive), PullOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string][]string)
			for _, l := range loaded {
				got[l.ID] = append(got[l.ID], l.Names...)
			}
			slices.Sort(got[a])
			want := map[string][]string{a: {"docker.io/library/a:latest", "docker.io/library/second:name"}, b: nil}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if i, err := s.Inspect("second:name", ""); err != nil || i.Config.Labels["l"] != "1" {
				t.Errorf("%+v, %v", i, err)
			}
		})
	}
}

func save(t *testing.T, s *Store, format string, refs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Save(context.Background(), &b, SaveOptions{Format: format}, refs); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoadCompressed(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	archive := save(t, s, FormatDocker, "a")
	for name, compress := range map[string]func(io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	} {
		var b bytes.Buffer
		w, err := compress(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(archive); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(context.Background(), &b, PullOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	docker, oci := save(t, s, FormatDocker, "a"), save(t, s, FormatOCI, "a")
	if _, err := s.Remove("a", false); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(docker)
	z.Close()
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"nothing":           {nil, "neither manifest.json nor"},
		"text":              {[]byte("hello, this is not an archive"), "no tar archive"},
		"root file system":  {makeTar(t, file("etc/passwd", "x"), file("bin", "x")), "rl import"},
		"other tar":         {makeTar(t, file("a", "x")), "neither manifest.json nor"},
		"short":             {docker[:len(docker)/2], "breaks off"},
		"short OCI":         {oci[:len(oci)/2], "breaks off"},
		"short gzip":        {packed.Bytes()[:packed.Len()/2], "breaks off"},
		"damaged gzip":      {damage(packed.Bytes()), "damaged"},
		"damaged layer":     {bytes.Replace(docker, []byte("bin/a"), []byte("bin/X"), 1), ""},
		"manifest of words": {makeTar(t, file("manifest.json", "words")), ""},
		"empty manifest":    {makeTar(t, file("manifest.json", "[]")), "no image"},
		"index without":     {makeTar(t, file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("index.json", `{"manifests":[]}`)), "no image"},
		"config missing":    {makeTar(t, file("manifest.json", `[{"Config":"c.json","Layers":["l.tar"]}]`)), ""},
		"links to itself":   {makeTar(t, symlink("manifest.json", "manifest.json")), ""},
		"manifest outside":  {makeTar(t, symlink("manifest.json", "../../../../../../etc/passwd")), ""},
	} {
		loaded, err := s.Load(context.Background(), bytes.NewReader(c.archive), PullOptions{})
		if err == nil || len(loaded) > 0 || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", name, loaded, err)
		}
	}
	nothingLeft(t, s)
}

// damage changes the middle of a file.
func damage(b []byte) []byte {
	b = bytes.Clone(b)
	for i := len(b) / 2; i < len(b)/2+40; i++ {
		b[i] ^= 0xff
	}
	return b
}

// nothingLeft fails if a store has anything in it.
func nothingLeft(t *testing.T, s *Store) {
	t.Helper()
	images, err1 := s.store.Images()
	layers, err2 := s.store.Layers()
	scratch, err3 := filepath.Glob(filepath.Join(s.options.Data, "tmp", "*"))
	if err := errors.Join(err1, err2, err3); err != nil || len(images)+len(layers)+len(scratch) > 0 {
		t.Errorf("left: %d images, %d layers, %v, %v", len(images), len(layers), scratch, err)
	}
}

func TestLoadLayout(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	dir := filepath.Join(t.TempDir(), "layout")
	archive := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(archive, save(t, s, FormatOCI, "a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := extractLayout(archive, dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := s.LoadLayout(context.Background(), dir, PullOptions{})
	if err != nil || len(loaded) != 1 || loaded[0].Names[0] != "docker.io/library/a:latest" {
		t.Errorf("%v, %v", loaded, err)
	}
	if _, err := s.LoadLayout(context.Background(), t.TempDir(), PullOptions{}); !errors.Is(err, ErrArchive) {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestExtractLayoutTakesOnlyFiles(t *testing.T) {
	outside := t.TempDir()
	archive := filepath.Join(t.TempDir(), "a.tar")
	content := makeTar(t,
		symlink("blobs", outside), file("blobs/sha256/a", "evil"),
		file("../index.json", "bent back"), file("other", "x"), hardlink("oci-layout", "/etc/passwd"))
	if err := os.WriteFile(archive, content, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if err := extractLayout(archive, dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			got = append(got, rel)
		}
		return err
	})
	if !reflect.DeepEqual(got, []string{"blobs/sha256/a", "index.json"}) {
		t.Errorf("extracted %v", got)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside there are now %v, %v", entries, err)
	}
}

func TestImportRefuses(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	archive := save(t, s, FormatDocker, "a")
	if _, err := s.Remove("a", false); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		o    ImportOptions
		is   error
	}{
		"an image archive": {archive, ImportOptions{}, ErrArchive},
		"text":             {[]byte("hello"), ImportOptions{}, ErrArchive},
		"a change":         {nil, ImportOptions{Changes: []string{"FROM x"}}, ErrChange},
		"a platform":       {nil, ImportOptions{Platform: "plan9/amd64"}, ErrPlatform},
	} {
		if _, err := s.Import(context.Background(), bytes.NewReader(c.data), c.o); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	nothingLeft(t, s)
}

func TestCanceledLoadLeavesNothing(t *testing.T) {
	s := newStore(t)
	importImage(t, s, "a")
	archive := save(t, s, FormatDocker, "a")
	if _, err := s.Remove("a", false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Load(ctx, bytes.NewReader(archive), PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, s)
}

func TestScratchOfTheDeadIsSwept(t *testing.T) {
	s := newStore(t)
	alive, err := s.openScratch()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(s.options.Data, "tmp", "image-dead")
	if err := os.MkdirAll(filepath.Join(dead, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	next, err := s.openScratch()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a dead process left is still there: %v", err)
	}
	if _, err := os.Stat(alive.Path); err != nil {
		t.Error(err)
	}
	if err := errors.Join(alive.Close(), next.Close()); err != nil {
		t.Error(err)
	}
	nothingLeft(t, s)
}

func FuzzSniff(f *testing.F) {
	f.Add(makeTar(f, file("manifest.json", "[]")))
	f.Add(makeTar(f, file("oci-layout", "{}"), file("index.json", "{}")))
	f.Add(makeTar(f, file("etc/passwd", "")))
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := sniff(bytes.NewReader(data))
		if err != nil && (kind != unknownArchive || !errors.Is(err, ErrArchive)) {
			t.Errorf("kind %d, %v", kind, err)
		}
	})
}
