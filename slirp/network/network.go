// Package network keeps the networks that a person has made: one file each, in
// rl's data folder.
//
//	networks/NAME.json  the record
//	networks/lock       held while a network is made, removed or taken into use
//
// A record is written beside its place and linked there as a whole, so that of
// two who want one name only one gets it. The networks bridge, host and none
// are always there and have no file. The bridge itself is the network
// process's: it makes one when the first container comes and takes it away
// with the last.
//
// Callers are in the host's network namespace; those that change something are
// in rl's user namespace, whose user 0 owns the files.
package network

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/internal/events"
	"github.com/rl-project/rl/slirp"
)

// Network is the record of a network.
type Network struct {
	slirp.Network
	Created time.Time
	Labels  map[string]string `json:",omitempty"`
	Options map[string]string `json:",omitempty"` // of the driver, as given
}

// Driver is what Docker calls the kind of network.
func (n Network) Driver() string {
	switch n.Name {
	case "none":
		return "null"
	case "host":
		return "host"
	}
	return slirp.DefaultNetwork
}

// BuiltIns returns the networks that are always there, without a subnet. Their
// ids are the same everywhere.
func BuiltIns() []Network {
	var list []Network
	for _, name := range []string{slirp.DefaultNetwork, "host", "none"} {
		id := sha256.Sum256([]byte("rl network " + name))
		list = append(list, Network{Network: slirp.Network{Name: name, ID: hex.EncodeToString(id[:])}})
	}
	return list
}

// BuiltIn reports whether name is a network that is always there.
func BuiltIn(name string) bool {
	return name == slirp.DefaultNetwork || name == "host" || name == "none"
}

// reserved are words of --network that are no networks.
var reserved = []string{"default", "container", slirp.Pasta, slirp.Slirp4netns, slirp.Builtin}

// Store is a person's networks, in rl's data folder.
type Store struct{ Data string }

func (s Store) path(name string) string { return filepath.Join(s.Data, "networks", name) }

// checkName refuses what cannot be a network's name.
func checkName(name string) error {
	switch {
	case !plainName(name):
		return fmt.Errorf("%w: name %q: use letters, digits, _ . -, at most 200, a letter or digit first", ErrInvalid, name)
	case BuiltIn(name) || slices.Contains(reserved, name):
		return fmt.Errorf("%w: name %q belongs to rl itself: take another", ErrInvalid, name)
	}
	return nil
}

func plainName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 200 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"_.-") == ""
}

// Get returns the network with a name, of those that a person has made.
func (s Store) Get(name string) (Network, error) {
	var n Network
	if checkName(name) != nil {
		return n, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	data, err := os.ReadFile(s.path(name + ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return n, fmt.Errorf("network %s: its record cannot be read: %w; remove %s", name, err, s.path(name+".json"))
	}
	return n, nil
}

// Find returns the network with a name, an id or the beginning of one id, those
// that are always there among them.
func (s Store) Find(word string) (Network, error) {
	n, err := s.Get(word)
	if !errors.Is(err, ErrNotFound) || word == "" {
		return n, err
	}
	list, listErr := s.List()
	var found []Network
	for _, n := range append(BuiltIns(), list...) {
		if n.Name == word {
			return n, nil
		}
		if strings.HasPrefix(n.ID, word) {
			found = append(found, n)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return n, fmt.Errorf("%w: %s is the beginning of several ids", ErrNotFound, word)
	}
	return n, errors.Join(err, listErr)
}

// List returns all networks but those that are always there, by their names.
// Records that cannot be read are left out and are an error.
func (s Store) List() ([]Network, error) {
	entries, err := os.ReadDir(s.path(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	failed := []error{err}
	var list []Network
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.Name(), ".json")
		if !isRecord {
			continue
		}
		n, err := s.Get(name)
		if err == nil {
			list = append(list, n)
		} else if !errors.Is(err, ErrNotFound) { // which was removed meanwhile
			failed = append(failed, err)
		}
	}
	return list, errors.Join(failed...)
}

// Subnets lists those of the networks that a person has made.
func (s Store) Subnets() []netip.Prefix {
	list, _ := s.List() // of one that cannot be read nothing can be used
	var subnets []netip.Prefix
	for _, n := range list {
		subnets = append(subnets, n.Subnet)
	}
	return subnets
}

// Use keeps networks from being removed until the file is closed. Who has it and
// finds a network there may write down that a container is on it.
func (s Store) Use() (*os.File, error) { return s.lock(unix.LOCK_SH) }

func (s Store) lock(how int) (*os.File, error) {
	if err := os.MkdirAll(s.path(""), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for err = unix.Flock(int(f.Fd()), how); errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), how)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return f, nil
}

// Create makes a network. What want leaves open, its id, subnets and gateways,
// is filled in; ipv6 is whether it is to have IPv6 also without a Subnet6.
func (s Store) Create(want Network, ipv6 bool) (Network, error) {
	if err := checkName(want.Name); err != nil {
		return want, err
	}
	lock, err := s.lock(unix.LOCK_EX)
	if err != nil {
		return want, err
	}
	defer lock.Close()
	if _, err := s.Get(want.Name); err == nil {
		return want, fmt.Errorf("%w: %s", ErrExists, want.Name)
	} else if !errors.Is(err, ErrNotFound) {
		return want, err
	}
	others, err := s.List()
	if err != nil {
		return want, err
	}
	if err := want.plan(others, ipv6); err != nil {
		return want, err
	}
	var id [32]byte
	rand.Read(id[:])
	want.ID, want.Created = hex.EncodeToString(id[:]), time.Now()
	if err := s.put(want); err != nil {
		return want, fmt.Errorf("create network %s: %w", want.Name, err)
	}
	s.record("create", want)
	return want, nil
}

// put writes the record; the lock is held.
func (s Store) put(n Network) error {
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	made := s.path("new")
	defer os.Remove(made)
	if err := os.WriteFile(made, data, 0o600); err != nil {
		return err
	}
	return os.Link(made, s.path(n.Name+".json"))
}

// Remove removes the network that word finds and returns its name. user is asked,
// while nobody can begin to use it, for a container that is on it, "" for none.
func (s Store) Remove(word string, user func(Network) (string, error)) (string, error) {
	lock, err := s.lock(unix.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	n, err := s.Find(word)
	if err != nil {
		return "", err
	}
	if BuiltIn(n.Name) {
		return "", fmt.Errorf("%w: %s", ErrBuiltIn, n.Name)
	}
	who, err := user(n)
	if err != nil {
		return "", err
	}
	if who != "" {
		return "", fmt.Errorf("remove network %s: %w: container %s is on it; stop it or 'rl network disconnect %s %s' first", n.Name, ErrInUse, who, n.Name, who)
	}
	if err := os.Remove(s.path(n.Name + ".json")); err != nil {
		return "", err
	}
	s.record("destroy", n)
	return n.Name, nil
}

func (s Store) record(action string, n Network) {
	events.In(s.Data).Write(events.Event{
		Type: events.Network, Action: action, TimeNano: time.Now().UnixNano(),
		Actor: events.Actor{ID: n.ID, Attributes: map[string]string{"name": n.Name, "type": n.Driver()}},
	})
}
