package tree

import (
	"encoding/binary"
	"hash/fnv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Seen stands for how files were when they were read: of two that are the same, one of a
// digest and one of a copy, nothing was written between them. The order of the files does
// not matter.
type Seen struct{ sum atomic.Uint64 }

// Same reports whether both have seen the same. A file that somebody changes twice
// within one tick of the file system's clock looks the same.
func (s *Seen) Same(other *Seen) bool { return s.sum.Load() == other.sum.Load() }

// add takes in a file. Its inode does not count: some file systems make these up anew.
func (s *Seen) add(st *unix.Stat_t) {
	if s == nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return
	}
	hash := fnv.New64a()
	_ = binary.Write(hash, binary.NativeEndian, [4]int64{int64(st.Mode), st.Size, st.Mtim.Nano(), st.Ctim.Nano()})
	s.sum.Add(hash.Sum64())
}

// Add takes in a file that was read. For nil it does nothing.
func (s *Seen) Add(e Entry) { s.add(&e.stat) }

// addOpened takes in a file that is open.
func (s *Seen) addOpened(fd int) error {
	if s == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	s.add(&st)
	return nil
}
