package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	splittar "github.com/vbatts/tar-split/archive/tar"
	tarsplit "github.com/vbatts/tar-split/tar/storage"

	"github.com/rl-project/rl/internal/tree"
)

// splitAndJoin unpacks an archive and writes it again.
func splitAndJoin(t *testing.T, data []byte) (again []byte, unpacked, joined error) {
	var kept, out bytes.Buffer
	files, err := tree.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	s := newSplitter(bytes.NewReader(data), tarsplit.NewJSONPacker(&kept), newOwners())
	if err := files.UnpackEntries(s, tree.Target{Path: "/", Contents: true, Layer: true, Whiteouts: true, Lenient: true}); err != nil {
		return nil, err, nil
	}
	if err := s.end(); err != nil {
		return nil, err, nil
	}
	a := assembler{context.Background(), &out, files, make([]byte, 1000), 0}
	joined = a.write(tarsplit.NewJSONUnpacker(&kept))
	return out.Bytes(), nil, joined
}

func TestSplitAndJoin(t *testing.T) {
	plain := makeTar(t, file("a", "1"), file("big", strings.Repeat("text", 5000)), symlink("l", "a"), hardlink("h", "a"), file("d/.wh.x", ""))
	for name, data := range map[string][]byte{
		"an archive":         plain,
		"more zeros":         append(plain, make([]byte, 10<<10)...),
		"something after it": append(plain, "rest"...),
		"no end":             plain[:len(plain)-1024],
		"a folder":           makeTar(t, entry{Header: tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}}, file("./a", "1")),
	} {
		if again, err1, err2 := splitAndJoin(t, data); err1 != nil || err2 != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: %d bytes of %d, %v, %v", name, len(again), len(data), err1, err2)
		}
	}
}

// Files that are packed without their holes cannot be written again as they were.
func TestSparseLayersAreRefused(t *testing.T) {
	for _, h := range []splittar.Header{
		{Typeflag: splittar.TypeGNUSparse},
		{Typeflag: splittar.TypeReg, PAXRecords: map[string]string{"GNU.sparse.major": "1"}},
	} {
		if !isSparse(&h) {
			t.Errorf("%+v", h)
		}
	}
	// As tar --sparse writes a file of 8 GiB that is one hole.
	data := makeTar(t, file("hole", ""))
	old := data[:512]
	old[156] = 'S'
	copy(old[257:], "ustar  \x00")
	copy(old[483:], "100000000000\x00")
	copy(old[148:], "        ")
	sum := 0
	for _, b := range old {
		sum += int(b)
	}
	copy(old[148:], fmt.Sprintf("%06o\x00 ", sum))
	s := newStore(t)
	_, err := s.Import(context.Background(), bytes.NewReader(data), ImportOptions{Name: "sparse"})
	if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "--sparse") {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, s)
}

// A file that was exchanged is noticed.
func TestAssembleNoticesChanges(t *testing.T) {
	for name, e := range map[string]tarsplit.Entry{
		"gone":     {Type: tarsplit.FileType, Name: "gone", Size: 1, Payload: make([]byte, 8)},
		"shorter":  {Type: tarsplit.FileType, Name: "a", Size: 2, Payload: make([]byte, 8)},
		"contents": {Type: tarsplit.FileType, Name: "a", Size: 1, Payload: make([]byte, 8)},
	} {
		files, err := tree.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := files.WriteFile("a", []byte("1"), 0o600, tree.Owner{}, nil); err != nil {
			t.Fatal(err)
		}
		a := assembler{context.Background(), io.Discard, files, make([]byte, 1000), 0}
		if err := a.file(&e); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v", name, err)
		}
		files.Close()
	}
}

// Whatever comes out is what went in.
func FuzzSplitAndJoin(f *testing.F) {
	f.Add(makeTar(f, file("a", "1"), symlink("l", "a"), file("d/.wh.x", "")))
	f.Add(makeTar(f, file("a", strings.Repeat("x", 2000)), hardlink("h", "a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if again, err1, err2 := splitAndJoin(t, data); err1 == nil && err2 == nil && !bytes.Equal(again, data) {
			t.Errorf("%q became %q", data, again)
		}
	})
}
