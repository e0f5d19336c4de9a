package netd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// markName is a file with the mark of the bridges' namespace: the alias of the
// default network's bridge. By it the namespace of a network process that was
// killed is found again, which its monitors hold. A container cannot guess it.
const markName = "netd.mark"

// mark makes the namespace known to the next network process.
func (r *router) mark(dir string) error {
	link, err := r.h.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	mark := rand.Text()
	if err := r.h.LinkSetAlias(link, mark); err != nil {
		return fmt.Errorf("marking the bridge: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, markName), []byte(mark), 0o600)
}

// survivor returns the bridges' namespace of the process before, nil if nobody
// holds it any more. To wait for the monitors instead would be to guess how
// long they take: a container that starts meanwhile would get a namespace of
// its own, and the connections of all others would break.
func survivor(dir string) (*os.File, error) {
	mark, err := os.ReadFile(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, p := range processes {
		// Whoever holds it is a process of rl's user namespace. One that has just
		// ended, or that may not be looked at, holds none.
		if user, err := os.Readlink(p + "/ns/user"); err != nil || user != own {
			continue
		}
		if f := markedIn(p+"/fd", string(mark), seen); f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// markedIn opens the namespace with the mark if it is among the descriptors in
// a folder. seen are those that were looked at already.
func markedIn(dir, mark string, seen map[string]bool) *os.File {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		target, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(target, "net:") || seen[target] {
			continue
		}
		seen[target] = true
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if carries(f, mark) {
			return f
		}
		f.Close()
	}
	return nil
}

// carries reports whether a network namespace has the bridge with the mark.
func carries(f *os.File, mark string) bool {
	ns, err := newNamespace(f)
	if err != nil {
		return false
	}
	defer ns.close()
	h, err := ns.handle()
	if err != nil {
		return false
	}
	defer h.Close()
	link, err := h.LinkByName(bridgeName)
	return err == nil && link.Type() == new(netlink.Bridge).Type() && link.Attrs().Alias == mark
}
