package storage

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Owner is what the metadata of rl's entries in a store's list of containers
// says, so that rl knows its own.
const Owner = "rl"

// lastWriteSize is the size of the mark in a containers/storage lock file
// (pkg/lockfile, lastWriterIDSize): every program that has the list in memory
// compares the mark, and reads the list again when it has changed.
const lastWriteSize = 64

// claim is an entry of containers.json. Of the fields that containers/storage
// has, these are the ones that it needs to find an image in use. There is no
// layer: the container's files lie in rl's own folders.
type claim struct {
	ID       string    `json:"id"`
	Image    string    `json:"image"`
	Layer    string    `json:"layer"`
	Metadata string    `json:"metadata,omitempty"`
	Created  time.Time `json:"created"`
}

// ClaimMetadata is the text that an entry of rl's carries.
type ClaimMetadata struct {
	Owner  string `json:"owner"`  // Owner
	Folder string `json:"folder"` // of the container; without it the claim is dead
}

// Claim enters a container into the store's list, after which neither rl nor
// Podman removes the image until Store.Release. folder is where rl keeps the
// container; it must exist before, because a claim without one is a dead one
// and may be dropped by anybody. Claiming twice is the same as once.
//
// It takes one lock for well under a millisecond. The library's own
// CreateContainer takes three locks for writing and makes a layer; worse, a
// program that held the image's lock meanwhile, to keep the image from being
// removed, would wait for itself for ever.
//
// Claim returns ErrNotResolved if the store has changed since img was looked
// up: look again. After it has succeeded the image is safe.
//
// It does not wait for the disk; call Store.Sync once there is time.
func (img *Image) Claim(containerID, folder string) error {
	metadata, err := json.Marshal(ClaimMetadata{Owner: Owner, Folder: folder})
	if err != nil {
		return err
	}
	c := claim{ID: containerID, Image: img.ID, Metadata: string(metadata), Created: time.Now().UTC()}
	return img.Store.edit(func(entries []json.RawMessage) ([]json.RawMessage, error) {
		// An image is removed under this lock too: what holds now, holds
		// until the entry is there.
		if !img.holds() {
			return nil, ErrNotResolved
		}
		if slices.ContainsFunc(entries, hasID(containerID)) {
			return entries, nil
		}
		entry, err := json.Marshal(c)
		return append(entries, entry), err
	})
}

// Release takes containers back out of the store's list. An id that is not
// there is no error.
func (s Store) Release(containerIDs ...string) error {
	return s.edit(func(entries []json.RawMessage) ([]json.RawMessage, error) {
		for _, id := range containerIDs {
			entries = slices.DeleteFunc(entries, hasID(id))
		}
		return entries, nil
	})
}

// Sync waits until the list of containers is on the disk. Without it a power
// cut may, on some file systems, leave the list empty.
func (s Store) Sync() error {
	f, err := os.Open(s.Containers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(unix.Fdatasync(int(f.Fd())), f.Close())
}

func hasID(id string) func(json.RawMessage) bool {
	return func(entry json.RawMessage) bool {
		var c struct {
			ID string `json:"id"`
		}
		return json.Unmarshal(entry, &c) == nil && c.ID == id
	}
}

// edit changes the list of containers under its lock. Entries of others are
// kept as they are, whatever fields they have.
func (s Store) edit(change func([]json.RawMessage) ([]json.RawMessage, error)) error {
	lock, err := lockFile(s.ContainersLock)
	if err != nil {
		return fmt.Errorf("list of containers: %w", err)
	}
	defer lock.Close()
	entries, err := s.entries()
	if err != nil {
		return fmt.Errorf("list of containers: %w", err)
	}
	before := len(entries)
	entries, err = change(entries)
	if err != nil || len(entries) == before {
		return err
	}
	return s.write(lock, entries)
}

func (s Store) entries() ([]json.RawMessage, error) {
	data, err := os.ReadFile(s.Containers)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Containers, err)
	}
	return entries, nil
}

// write marks the lock as written, then replaces the list: the order in which
// containers/storage does it, so that being killed between the two makes
// others read again what they know, and nothing worse.
func (s Store) write(lock *os.File, entries []json.RawMessage) error {
	if entries == nil {
		entries = []json.RawMessage{}
	}
	data, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	var mark [lastWriteSize]byte
	rand.Read(mark[:])
	if _, err := lock.WriteAt(mark[:], 0); err != nil {
		return err
	}
	return replaceFile(s.Containers, data)
}

// lockFile takes the write lock that containers/storage takes on the same file
// (a POSIX record lock over all of it). Ours belongs to the open file instead of
// the process, so that threads and forks of one process exclude each other
// too; the kernel lets the two kinds conflict. Closing the file releases it.
func lockFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &whole)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}
