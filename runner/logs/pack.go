package logs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	packedEnding = ".gz"
	// draftEnding is that of a copy which is not complete. A monitor that was
	// killed may leave one, and the next one writes over it.
	draftEnding = ".gz.tmp"
)

func packedName(path string, n int) string { return numbered(path, n) + packedEnding }

// packer compresses the files that were set aside, in the background. A copy
// is on the disk before it takes the place of the file, so that there is always
// one that is whole; for a moment, or after a crash, there are both.
type packer struct {
	path string
	keep int
	// hurry ends the waiting for slow readers, halt the work as well. done is
	// closed by the end.
	hurry, halt, done chan struct{}
}

// startPacker begins with the oldest, as readers do.
func startPacker(path string, keep int) *packer {
	p := &packer{path, keep, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(p.done)
		for n := p.keep - 1; n > 0; n-- {
			// Nothing is lost by a failure, such as a full disk: the file stays as
			// it is, and its turn comes again after the next rotation.
			_ = p.pack(n)
		}
	}()
	return p
}

// finish returns when all is compressed that could be. p may be nil.
func (p *packer) finish() {
	if p != nil {
		close(p.hurry)
		<-p.done
	}
}

// stop ends it soon. What is left is for the next Writer.
func (p *packer) stop() {
	if p != nil {
		close(p.halt)
		p.finish()
	}
}

// pack puts a compressed copy in the place of one file.
func (p *packer) pack(n int) (err error) {
	if err := settle(p.path, n); err != nil {
		return err
	}
	src, err := os.Open(numbered(p.path, n))
	if err != nil {
		return err
	}
	defer src.Close()
	draft := p.path + draftEnding
	defer func() {
		if err != nil {
			os.Remove(draft)
		}
	}()
	if err := p.write(draft, src); err != nil {
		return err
	}
	if err := p.awaitReaders(n); err != nil {
		return err
	}
	if err := os.Rename(draft, packedName(p.path, n)); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(p.path)); err != nil {
		return err
	}
	return settle(p.path, n)
}

// settle removes a file that has a compressed copy.
func settle(path string, n int) error {
	if _, err := os.Lstat(packedName(path, n)); err != nil {
		return ignoreMissing(err)
	}
	return removeIfThere(numbered(path, n))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write makes a compressed copy of src that is on the disk.
func (p *packer) write(name string, src *os.File) error {
	dst, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	err = p.compress(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	return errors.Join(err, dst.Close())
}

// compress writes a member for each block of src.
func (p *packer) compress(dst io.Writer, src *os.File) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	block, member, zip := make([]byte, blockSize), new(bytes.Buffer), gzip.NewWriter(nil)
	for {
		n, err := io.ReadFull(src, block)
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := appendMember(member, zip, block[:n], inode(info)); err != nil {
			return err
		}
		if _, err := dst.Write(member.Bytes()); err != nil {
			return err
		}
		if isClosed(p.halt) {
			return errHalted
		}
	}
}

// appendMember makes member that of a block. Its length comes into the header
// when it is known.
func appendMember(member *bytes.Buffer, zip *gzip.Writer, block []byte, inode uint64) error {
	h := header{length: int64(len(block)), inode: inode}
	member.Reset()
	zip.Reset(member)
	zip.Extra = h.append(nil)
	if _, err := zip.Write(block); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	h.size = int64(member.Len())
	copy(member.Bytes()[extraAt:], h.append(nil))
	return nil
}

// awaitReaders waits until no reader that follows has to go on from a file,
// which AwaitReaders would not see any more. One that is stopped keeps its file
// from being replaced until the next rotation.
func (p *packer) awaitReaders(n int) error {
	for delay := time.Millisecond; followed(numbered(p.path, n)); delay *= 2 {
		if delay > time.Second {
			return errFollowed
		}
		select {
		case <-p.hurry:
			return errHalted
		case <-p.halt:
			return errHalted
		case <-time.After(delay):
		}
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
