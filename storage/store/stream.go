package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/compression"
)

// streamer stores images while their archive is being read.
type streamer struct {
	*Store
	images   []*incoming
	dir      string // for layers that come before those below them
	kept     map[digest.Digest]func() (io.ReadCloser, error)
	added    []string // layers, for the case that the load fails
	progress func(LayerProgress)
}

// loadStream stores the images of an archive whose preface tells all about them.
func (s *Store) loadStream(p *preface, images []*incoming, dir string, o PullOptions) (loaded []Loaded, err error) {
	l := &streamer{Store: s, images: images, dir: dir, kept: map[digest.Digest]func() (io.ReadCloser, error){}, progress: o.Progress}
	if l.progress == nil {
		l.progress = func(LayerProgress) {}
	}
	defer s.tidy()
	defer func() {
		if err != nil {
			l.undo()
		}
	}()
	p.source.off = true
	if err := l.layers(p); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, p.source.Reader); err != nil {
		return nil, err
	}
	for _, img := range images {
		one, err := l.finish(img)
		if err != nil {
			return loaded, err
		}
		loaded = append(loaded, one)
	}
	return loaded, nil
}

// layers stores each layer as soon as those below it are there.
func (l *streamer) layers(p *preface) error {
	for _, data := range p.files {
		l.kept[digest.FromBytes(data)] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	if err := l.advance(); err != nil {
		return err
	}
	for h, err := p.next, error(nil); h != nil; h, err = p.tar.Next() {
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
		}
		if err := l.file(h, p.tar); err != nil {
			return err
		}
		if err := l.advance(); err != nil {
			return err
		}
	}
	for _, img := range l.images {
		if img.have < len(img.layers) {
			return fmt.Errorf("%w: layer %s is not in it", ErrArchive, img.layers[img.have].digest)
		}
	}
	return nil
}

// file takes one file of the archive: the next layer of just one image goes into
// the store at once, and one that is needed later is kept.
func (l *streamer) file(h *tar.Header, content io.Reader) error {
	name := entryName(h)
	var next, later []*incoming
	for _, img := range l.images {
		switch at := slices.IndexFunc(img.layers[img.have:], func(i incomingLayer) bool { return blobPath(i.digest) == name }); {
		case at == 0:
			next = append(next, img)
		case at > 0:
			later = append(later, img)
		}
	}
	if len(next) == 1 && len(later) == 0 && !slices.ContainsFunc(next[0].layers[next[0].have+1:], func(i incomingLayer) bool { return blobPath(i.digest) == name }) {
		return l.add(next[0], content, h.Size)
	}
	if len(next)+len(later) == 0 {
		return nil
	}
	file := filepath.Join(l.dir, path.Base(name))
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	digester := digest.Canonical.Digester()
	_, err = io.Copy(io.MultiWriter(f, digester.Hash()), content)
	l.kept[digester.Digest()] = func() (io.ReadCloser, error) { return os.Open(file) }
	return errors.Join(err, f.Close())
}

// advance adds to each image the layers that are stored already or kept.
func (l *streamer) advance() error {
	for _, img := range l.images {
		for img.have < len(img.layers) {
			next := img.layers[img.have]
			if known := (&NewLayer{DiffID: next.diffID}); l.hasLayer(img.top, known) {
				l.progress(LayerProgress{Digest: next.digest.String(), State: LayerExists})
				img.top, img.have = known.ID, img.have+1
				continue
			}
			open, ok := l.kept[next.digest]
			if !ok {
				break
			}
			content, err := open()
			if err != nil {
				return err
			}
			err = l.add(img, content, -1)
			content.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// add stores the next layer of img.
func (l *streamer) add(img *incoming, content io.Reader, size int64) error {
	next := img.layers[img.have]
	layer := NewLayer{Blob: next.digest, Want: next.diffID, Write: func(w io.Writer) error {
		r := &reporter{Reader: content, progress: l.progress, now: LayerProgress{Digest: next.digest.String(), State: LayerCopying, Total: size}}
		return copyLayer(w, r, next)
	}}
	if err := l.AddLayer(img.top, &layer); err != nil {
		return err
	}
	l.progress(LayerProgress{Digest: next.digest.String(), State: LayerCopied})
	l.added = append(l.added, layer.ID)
	img.top, img.have = layer.ID, img.have+1
	return nil
}

// copyLayer writes a layer uncompressed, and checks that a compressed one came as
// the manifest says. Who stores it checks the rest.
func copyLayer(w io.Writer, r io.Reader, l incomingLayer) error {
	check := l.digest.Verifier()
	packed := l.digest != l.diffID
	if packed {
		r = io.TeeReader(r, check)
	}
	plain, _, err := compression.AutoDecompress(r)
	if err != nil {
		return fmt.Errorf("%w: layer %s: %w", ErrArchive, l.digest, err)
	}
	defer plain.Close()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{plain}, make([]byte, 1<<20))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if isDamaged(err) {
		err = fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
	}
	if err == nil && packed && !check.Verified() {
		err = fmt.Errorf("%w: layer %s is damaged: its contents have another digest", ErrArchive, l.digest)
	}
	return err
}

// finish makes the image of layers that have all come.
func (l *streamer) finish(img *incoming) (Loaded, error) {
	id, _, err := l.putImage(img.config, img.manifest, img.top, img.names)
	if err != nil {
		return Loaded{}, err
	}
	stored, err := l.store.Image(id)
	if err != nil {
		return Loaded{}, err
	}
	first := slices.Concat(img.names, []string{shortID(id)})[0]
	l.warnClamped(first, stored)
	name := ""
	if len(img.names) > 0 {
		name = img.names[0]
	}
	l.happened("load", "sha256:"+id, name)
	return Loaded{ID: id, Names: img.names}, nil
}

// undo removes the layers that were added, unless somebody has built on them
// meanwhile.
func (l *streamer) undo() {
	for _, id := range slices.Backward(l.added) {
		if l.store.DeleteLayer(id) != nil {
			return
		}
	}
}

// reporter tells how much was read through it.
type reporter struct {
	io.Reader
	progress func(LayerProgress)
	now      LayerProgress
	last     time.Time
}

func (r *reporter) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.now.Current += int64(n)
	if time.Since(r.last) > progressInterval {
		r.last = time.Now()
		r.progress(r.now)
	}
	return n, err
}
