package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/userns"
)

// Root's commands, too, work inside the user namespace, whose root is another
// user of the host, and who cannot look into root's own folders. So the process
// outside opens what the command line names and hands it down. An ordinary user
// is that root, and needs none of this.

// lender is a command with files of the person's: lends lists the paths, as typed.
type lender interface{ lends() []string }

// confiner is a command that has processes in control groups: confines says where they
// go, as --cgroup-parent does, and whether any is asked for.
type confiner interface {
	confines() (parent string, asked bool)
}

// lendGroup has root give the process inside, which is another user, a control group
// to work in. This process moves there, and the other is born there.
func (a *app) lendGroup(ns *userns.Namespace) error {
	c, ok := a.lent.(confiner)
	if !ok || a.places.UID != 0 {
		return nil
	}
	parent, asked := c.confines()
	if !asked {
		return nil
	}
	err := cgroup2.Lend(context.Background(), os.Getpid(), int(ns.UIDs[0].Host), int(ns.GIDs[0].Host), parent)
	if parent == "" {
		return nil // without one, limits are refused by name
	}
	return err
}

// lentVar holds the paths that were handed down, and their descriptors, as JSON.
const lentVar = "RL_LENT"

// lentConfigVar is where root's configuration is, which its environment does not say
// to the process inside.
const lentConfigVar = "RL_LENT_CONFIG"

// lend opens what flags name for the process inside: the files, and what tells it
// of them. What is not there is left to that process to complain about.
func (a *app) lend(ns *userns.Namespace) (files []*os.File, env []string, err error) {
	if a.lent == nil || a.places.UID != 0 {
		return nil, nil, nil
	}
	fds := map[string]int{}
	for _, path := range a.lent.lends() {
		f, err := handDown(ns, path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			closeFiles(files)
			return nil, nil, err
		}
		fds[path] = firstLent + len(files)
		files = append(files, f)
	}
	text, err := json.Marshal(fds)
	return files, []string{lentVar + "=" + string(text), lentConfigVar + "=" + personsConfig()}, err
}

// handDown opens one path: a socket by connecting to it, as what listens there
// may ask who comes.
func handDown(ns *userns.Namespace, path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return ns.Show(path)
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.File()
}

// firstLent is the first descriptor after those of the standard streams.
const firstLent = 3

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func outputKey(path string) string { return filepath.Dir(path) + "/" }
