package storage

import (
	"bytes"
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

	"github.com/rl-project/rl/internal/replace"
)

// Owner is what the metadata of rl's entries in a store's list of containers
// says, so that rl knows its own.
const Owner = "github.com/rl-project/rl"

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

// claimMetadata is the text that an entry of rl's carries.
type claimMetadata struct {
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
// It waits for the disk only if the list holds containers of others: a power cut
// could leave the list empty, and rl's own claims can do without it.
func (img *Image) Claim(containerID, folder string) error {
	metadata, err := json.Marshal(claimMetadata{Owner: Owner, Folder: folder})
	if err != nil {
		return err
	}
	c := claim{ID: containerID, Image: img.ID, Metadata: string(metadata), Created: time.Now().UTC()}
	entry, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return img.Store.edit(func(list []byte) ([]byte, error) {
		// An image is removed under this lock too: what holds now, holds
		// until the entry is there.
		if !img.holds() {
			return nil, ErrNotResolved
		}
		if bytes.Contains(list, []byte(`"id":"`+containerID+`"`)) {
			return list, nil
		}
		return appendEntry(list, entry)
	})
}

// appendEntry puts an entry at the end of a JSON list without reading the
// others: a person may have hundreds, and a start waits for this.
func appendEntry(list, entry []byte) ([]byte, error) {
	list = bytes.TrimSpace(list)
	if len(list) == 0 {
		list = []byte("[]")
	}
	if list[0] != '[' || list[len(list)-1] != ']' {
		return nil, errors.New("it is damaged; 'podman system check' may repair it")
	}
	before := bytes.TrimSpace(list[:len(list)-1])
	after := append(slices.Clone(before), entry...)
	if len(before) > 1 {
		after = slices.Concat(before, []byte(","), entry)
	}
	return append(after, ']'), nil
}

// Release takes containers back out of the store's list. An id that is not
// there is no error.
func (s Store) Release(containerIDs ...string) error {
	return s.remove(func(entry json.RawMessage) bool {
		// Reading JSON is what costs; most entries are of others.
		named := func(id string) bool { return bytes.Contains(entry, []byte(id)) }
		if !slices.ContainsFunc(containerIDs, named) {
			return false
		}
		c, ok := readClaim(entry)
		return ok && slices.Contains(containerIDs, c.ID)
	})
}

// ReleaseDead takes out the claims of rl's containers that were killed between
// losing their folder and losing their claim.
func (s Store) ReleaseDead() error {
	return s.remove(func(entry json.RawMessage) bool {
		c, ok := readClaim(entry)
		return ok && IsDead(c.Metadata)
	})
}

func (s Store) remove(which func(json.RawMessage) bool) error {
	if _, err := os.Stat(s.Containers); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever claimed, and nothing is made for that
	}
	return s.edit(func(list []byte) ([]byte, error) {
		entries, err := parseEntries(list)
		if err != nil {
			return nil, err
		}
		before := len(entries)
		entries = slices.DeleteFunc(entries, which)
		if len(entries) == before {
			return list, nil
		}
		return joinEntries(entries), nil
	})
}

// readClaim reads an entry if it is one of rl's.
func readClaim(entry json.RawMessage) (c claim, ok bool) {
	if !bytes.Contains(entry, []byte(Owner)) {
		return c, false
	}
	var m claimMetadata
	ok = json.Unmarshal(entry, &c) == nil && json.Unmarshal([]byte(c.Metadata), &m) == nil && m.Owner == Owner
	return c, ok
}

// IsDead reports whether metadata is that of a claim of rl's whose container is
// gone.
func IsDead(metadata string) bool {
	var m claimMetadata
	if json.Unmarshal([]byte(metadata), &m) != nil || m.Owner != Owner || m.Folder == "" {
		return false
	}
	_, err := os.Lstat(m.Folder)
	return errors.Is(err, fs.ErrNotExist)
}

// IsOurs reports whether metadata is that of a claim of rl's.
func IsOurs(metadata string) bool {
	var m claimMetadata
	return json.Unmarshal([]byte(metadata), &m) == nil && m.Owner == Owner
}

// parseEntries splits a list. Entries of others are kept as they are, whatever
// fields they have.
func parseEntries(list []byte) ([]json.RawMessage, error) {
	entries := []json.RawMessage{}
	if len(list) == 0 {
		return entries, nil
	}
	err := json.Unmarshal(list, &entries)
	return entries, err
}

func joinEntries(entries []json.RawMessage) []byte {
	list := []byte("[")
	for i, e := range entries {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, e...)
	}
	return append(list, ']')
}

// edit changes the list of containers under its lock.
func (s Store) edit(change func([]byte) ([]byte, error)) error {
	lock, err := lockFile(s.ContainersLock)
	if err != nil {
		return fmt.Errorf("list of containers: %w", err)
	}
	defer lock.Close()
	before, err := os.ReadFile(s.Containers)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list of containers: %w", err)
	}
	after, err := change(before)
	if err == nil && !bytes.Equal(before, after) {
		err = s.write(lock, after)
	}
	if err != nil && !errors.Is(err, ErrNotResolved) {
		return fmt.Errorf("list of containers %s: %w", s.Containers, err)
	}
	return err
}

// write marks the lock as written, then replaces the list: the order in which
// containers/storage does it, so that being killed between the two makes
// others read again what they know, and nothing worse.
func (s Store) write(lock *os.File, list []byte) error {
	var mark [lastWriteSize]byte
	rand.Read(mark[:])
	if _, err := lock.WriteAt(mark[:], 0); err != nil {
		return err
	}
	put := replace.File
	if hasOthers(list) {
		put = replace.Durably
	}
	err := put(s.Containers, s.Containers+".rl", list, 0o600)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return s.shorten(list, err)
	}
	return err
}

// hasOthers reports whether a list has entries that are not rl's. Inside the
// metadata of an entry quotes are escaped, so each entry has one such "id".
func hasOthers(list []byte) bool {
	return bytes.Count(list, []byte(`"id":"`)) > bytes.Count(list, []byte(Owner))
}

// shorten writes a shorter list into the file of the longer one, which takes no
// space: on a full disk containers must be removable. Blanks fill what is left
// of the old list, so that it is a list at every moment after the one write.
func (s Store) shorten(list []byte, full error) error {
	f, err := os.OpenFile(s.Containers, os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(full, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < int64(len(list)) {
		return errors.Join(full, err)
	}
	padded := append(list, bytes.Repeat([]byte(" "), int(info.Size())-len(list))...)
	if _, err := f.WriteAt(padded, 0); err != nil {
		return errors.Join(full, err)
	}
	return f.Truncate(int64(len(list)))
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
