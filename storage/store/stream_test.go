package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutOf makes the entries of an archive: what tells of one image, and then a
// file for each layer.
func layoutOf(t *testing.T, pack func([]byte) []byte, layers ...[]byte) (head, blobs []entry) {
	t.Helper()
	c := config{}
	c.OS, c.Architecture, c.RootFS.Type = "linux", "amd64", "layers"
	m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageManifest}
	for _, l := range layers {
		packed := pack(l)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(l))
		m.Layers = append(m.Layers, describe(ispec.MediaTypeImageLayerGzip, packed))
		blobs = append(blobs, file(blobPath(digest.FromBytes(packed)), string(packed)))
	}
	text := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	blob := func(data []byte) entry { return file(blobPath(digest.FromBytes(data)), string(data)) }
	cdata := text(c)
	m.Config = describe(ispec.MediaTypeImageConfig, cdata)
	mdata := text(m)
	index := ispec.Index{Versioned: m.Versioned, Manifests: []ispec.Descriptor{describe(ispec.MediaTypeImageManifest, mdata)}}
	return []entry{file("index.json", string(text(index))), file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), blob(cdata), blob(mdata)}, blobs
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// large is too large for what is read before the layers.
func large() entry { return file("large", strings.Repeat("x", maxPreface)) }

func TestLoadStream(t *testing.T) {
	plain := func(data []byte) []byte { return data }
	a, b := makeTar(t, file("a", "1"), large()), makeTar(t, file("b", "2"), large())
	for name, c := range map[string]struct {
		pack func([]byte) []byte
		swap bool
	}{
		"in order":     {plain, false},
		"compressed":   {zip, false},
		"out of order": {plain, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			head, blobs := layoutOf(t, c.pack, a, b, a)
			if c.swap {
				slices.Reverse(blobs)
			}
			loaded, err := s.Load(context.Background(), bytes.NewReader(makeTar(t, append(head, blobs[:2]...)...)), PullOptions{})
			if err != nil || len(loaded) != 1 {
				t.Fatal(loaded, err)
			}
			img, err := s.store.Image(loaded[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if want := digest.FromString(head[3].content); img.Digest != want {
				t.Errorf("digest %s, want %s", img.Digest, want)
			}
			stack, err := s.layers(img)
			if err != nil || len(stack) != 3 || stack[0].UncompressedDigest != digest.FromBytes(a) || stack[1].UncompressedDigest != digest.FromBytes(b) {
				t.Errorf("%v, %v", stack, err)
			}
		})
	}
}

func TestLoadStreamRefuses(t *testing.T) {
	plain := func(data []byte) []byte { return data }
	good, bad := makeTar(t, file("a", "1"), large()), makeTar(t, file("a", "2"), large())
	head, blobs := layoutOf(t, plain, good, bad)
	rename := func(e entry, as entry) entry { e.Name = as.Name; return e }
	whole := makeTar(t, append(head, blobs...)...)
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"layer missing":  {makeTar(t, append(head, blobs[0])...), "is not in it"},
		"layers swapped": {makeTar(t, append(head, rename(blobs[1], blobs[0]), rename(blobs[0], blobs[1]))...), "digest"},
		"second damaged": {makeTar(t, append(head, blobs[0], rename(blobs[0], blobs[1]))...), "digest"},
		"breaks off":     {whole[:len(whole)-1<<20], "breaks off"},
		"in first layer": {whole[:1<<20], "breaks off"},
		"no tar in layer": {func() []byte {
			h, b := layoutOf(t, plain, []byte(strings.Repeat("text", maxPreface)))
			return makeTar(t, append(h, b...)...)
		}(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			loaded, err := s.Load(context.Background(), bytes.NewReader(c.archive), PullOptions{})
			if err == nil || len(loaded) > 0 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v", loaded, err)
			}
			nothingLeft(t, s)
		})
	}
}

// What is read before the layers is bounded, and what it says is checked.
func FuzzPreface(f *testing.F) {
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	for name, text := range map[string]string{"index.json": `{"manifests":[{"digest":"sha256:x"}]}`, "manifest.json": `[{}]`} {
		archive.WriteHeader(fileHeader(name, int64(len(text))))
		io.WriteString(archive, text)
	}
	archive.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		p := readPreface(bytes.NewReader(data))
		if images, ok := p.images(); ok {
			for _, img := range images {
				for _, l := range img.layers {
					if l.digest.Validate() != nil || l.diffID.Validate() != nil {
						t.Errorf("%+v", l)
					}
				}
			}
		}
		if whole, err := io.ReadAll(p.whole()); err != nil || !bytes.Equal(whole, data) {
			t.Errorf("%d bytes of %d, %v", len(whole), len(data), err)
		}
	})
}
