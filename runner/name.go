package runner

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ValidName checks a container's name by Docker's rule.
func ValidName(name string) error {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '_' && c != '.' && c != '-') {
			return fmt.Errorf("invalid container name %q: use letters, digits and _ . - and begin with a letter or digit", name)
		}
	}
	if len(name) < 2 {
		return fmt.Errorf("invalid container name %q: use at least two characters", name)
	}
	return nil
}

// newID returns 64 random hexadecimal digits.
func newID() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// takeName gives name to a container whose folder exists. A name whose
// container is gone or was never finished, because rl was killed while it
// removed or made it, is free.
func (s Store) takeName(name, id string) error {
	path := filepath.Join(s.names(), name)
	target := filepath.Join("..", "containers", id)
	for {
		err := os.Symlink(target, path)
		if !errors.Is(err, os.ErrExist) {
			return err
		}
		s.removeLost(name)
		if err := s.nameFree(name); err != nil {
			return err
		}
		if err := s.dropName(name); err != nil {
			return err
		}
	}
}

// removeLost removes the container of that name if --rm should have, but its
// monitor was killed or the power went: a service that starts again after that
// wants the name.
func (s Store) removeLost(name string) {
	owner, err := os.Readlink(filepath.Join(s.names(), name))
	if err != nil {
		return
	}
	id := filepath.Base(owner)
	if v, err := s.Load(id); err == nil && v.AutoRemove && v.Status != Created && !s.locked(id) {
		// Where it fails, the name stays taken, which is said.
		_ = s.Remove(context.Background(), id, RemoveOptions{Force: true, Volumes: true})
	}
}

// nameFree fails with ErrNameInUse where a container has the name.
func (s Store) nameFree(name string) error {
	owner, err := os.Readlink(filepath.Join(s.names(), name))
	if err == nil && s.taken(filepath.Base(owner)) {
		return fmt.Errorf("%w: %s is container %.12s; remove it (rl rm %s) or take another name",
			ErrNameInUse, name, filepath.Base(owner), name)
	}
	return nil
}

// dropName frees a name whose container is gone. Two processes may find the
// same stale name: the rename lets one of them have it, and what was renamed
// is looked at again, because the other may have taken the name meanwhile.
func (s Store) dropName(name string) error {
	path := filepath.Join(s.names(), name)
	aside := filepath.Join(s.trash(), "name-"+newID())
	if err := os.Rename(path, aside); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	if owner, err := os.Readlink(aside); err == nil && s.taken(filepath.Base(owner)) {
		if err := os.Link(aside, path); err != nil {
			return err
		}
	}
	if err := os.Remove(aside); err != nil && !errors.Is(err, os.ErrNotExist) { // swept away
		return err
	}
	return nil
}

// taken reports whether id is a container, or is being made. A folder that
// neither has a description nor is locked is what killing rl has left.
func (s Store) taken(id string) bool {
	_, err := os.Stat(s.file(id, "config.json"))
	return err == nil || s.locked(id)
}

func (s Store) exists(id string) bool {
	_, err := os.Stat(s.Folder(id))
	return err == nil
}

// randomName makes up a name that is easy to say and remember.
func randomName() string {
	var b [4]byte
	rand.Read(b[:])
	first := binary.LittleEndian.Uint16(b[:])
	second := binary.LittleEndian.Uint16(b[2:])
	return adjectives[int(first)%len(adjectives)] + "_" + nouns[int(second)%len(nouns)]
}

var adjectives = [...]string{
	"agile", "amber", "ample", "apt", "arctic", "bold", "brave", "brisk", "calm", "clear", "clever", "cosmic",
	"crisp", "deft", "eager", "early", "easy", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad",
	"golden", "grand", "handy", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal",
	"lucid", "mellow", "merry", "mild", "neat", "nimble", "noble", "open", "patient", "plain", "polite", "prompt",
	"proud", "quick", "quiet", "rapid", "ready", "silent", "simple", "smooth", "sound", "steady", "sunny", "swift",
	"tidy", "vivid", "warm", "wise",
}

var nouns = [...]string{
	"acorn", "alder", "anchor", "aspen", "badger", "beacon", "birch", "bison", "breeze", "brook", "cedar", "cliff",
	"clover", "comet", "condor", "coral", "crane", "delta", "dune", "eagle", "ember", "falcon", "fern", "finch",
	"fjord", "forest", "fox", "garnet", "glacier", "grove", "harbor", "hare", "hawk", "heron", "hill", "iris",
	"island", "ivy", "juniper", "lagoon", "lake", "lark", "lily", "lynx", "maple", "marten", "meadow", "moss",
	"oak", "orchid", "otter", "owl", "pebble", "pine", "plover", "quartz", "raven", "reef", "river", "robin",
	"sparrow", "spruce", "swan", "willow",
}
