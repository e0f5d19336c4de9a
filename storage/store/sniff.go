package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/compression"
)

// archiveKind is the format of something that holds images.
type archiveKind int

const (
	unknownArchive archiveKind = iota
	dockerArchive              // a tar with manifest.json, as `docker save` writes it
	ociArchive                 // a tar of an OCI layout
	ociLayout                  // a folder with oci-layout and index.json
	rootfsArchive              // a tar of a root file system, for `import`
)

// maxSniffed is how many entries of a tar are looked at. What tells the format
// stands at the end of some archives, so it has to be more than any image has.
const maxSniffed = 1 << 16

var errNoTar = fmt.Errorf("%w: it is no tar archive", ErrArchive)

// sniff tells what an uncompressed tar is, by the names in it. It reads all of
// r, and returns an error for an archive that breaks off.
func sniff(r io.Reader) (archiveKind, error) {
	seen := make(map[string]bool)
	t := tar.NewReader(r)
	for n := 0; n < maxSniffed; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return kindOf(seen), nil
		}
		if err != nil && n == 0 {
			return unknownArchive, errNoTar
		}
		if err != nil {
			return unknownArchive, fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
		}
		seen[path.Clean("/"+h.Name)] = true
	}
	return kindOf(seen), nil
}

// tarBlock is what tars are made of: no tar is shorter.
const tarBlock = 512

// CheckStart refuses, by the first bytes of an archive, what is none. start holds
// them, tarBlock of them or more unless the archive is shorter.
func CheckStart(start []byte) error {
	packed, r, err := compression.DetectCompression(bytes.NewReader(start))
	if err != nil || packed != nil {
		return err
	}
	if _, err := tar.NewReader(r).Next(); errors.Is(err, tar.ErrHeader) || len(start) < tarBlock {
		return errNoTar
	}
	return nil
}

func kindOf(seen map[string]bool) archiveKind {
	switch {
	// `docker save` writes both formats into one file. Its own one keeps the
	// complete names of the images.
	case seen["/manifest.json"]:
		return dockerArchive
	case seen["/"+ispec.ImageLayoutFile] && seen["/"+ispec.ImageIndexFile]:
		return ociArchive
	case seen["/bin"] || seen["/usr"] || seen["/etc"]:
		return rootfsArchive
	}
	return unknownArchive
}

// isLayout reports whether a folder is an OCI layout.
func isLayout(dir string) bool {
	_, err1 := os.Stat(filepath.Join(dir, ispec.ImageLayoutFile))
	_, err2 := os.Stat(filepath.Join(dir, ispec.ImageIndexFile))
	return err1 == nil && err2 == nil
}

// writeNew writes what r holds to a new file.
func writeNew(file string, r io.Reader) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// decompress reads what r holds, whatever it was compressed with: gzip, bzip2, xz
// or zstd. It ends with ctx even while r, which may be a pipe that nobody writes
// to, gives nothing.
func decompress(ctx context.Context, r io.Reader) io.ReadCloser {
	reader, writer := io.Pipe()
	stop := context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		err := copyPlain(writer, untilDone{ctx, r})
		if isDamaged(err) {
			err = fmt.Errorf("%w: it breaks off or is damaged: %w", ErrArchive, err)
		}
		writer.CloseWithError(err)
	}()
	return reader
}

func copyPlain(w io.Writer, r io.Reader) (err error) {
	plain, _, err := compression.AutoDecompress(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{plain}, make([]byte, 1<<20))
	return err
}

// untilDone reads from r while ctx lasts.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// isDamaged reports whether reading failed because of what was read, and not
// because of the disk.
func isDamaged(err error) bool {
	var disk *os.PathError
	return err != nil && !errors.As(err, &disk) && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrArchive) && !errors.Is(err, io.ErrClosedPipe)
}
