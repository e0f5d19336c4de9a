package check

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rl-project/rl/cgroup2"
	"github.com/rl-project/rl/internal/dirs"
)

// machine is where the checks get their facts. Tests fill one of their own.
type machine struct {
	root     string // before every path that is read; "" for the real ones
	uid, gid int
	user     string // login name
	program  string // rl's own file
	kernel   string // release, as uname -r
	distro   distribution
	places   dirs.Dirs
	// forbidden is whether there can be no user namespace: what needs one cannot be tried then.
	forbidden bool
	// placesErr is why there are no places.
	placesErr error

	lookPath  func(name string) (string, error)
	getenv    func(name string) string
	hardLimit func(resource int) uint64
	command   func(ctx context.Context, name string, args ...string) (string, error)
	// try makes a child in new namespaces (CLONE_NEW* flags, CLONE_NEWUSER always among them) do p.
	try func(flags uint64, p attempt) error
	// tryMaps has newuidmap and newgidmap write the maps of such a child.
	tryMaps func(uids, gids []idRange) error
	// talk sends a netlink message from such a child.
	talk     func(flags uint64, family int, message []byte) error
	discover func(context.Context) cgroup2.Info
}

func thisMachine(program string) *machine {
	m := &machine{
		uid: os.Geteuid(), gid: os.Getegid(), program: program, kernel: release(),
		lookPath: exec.LookPath, getenv: os.Getenv, hardLimit: hardLimit, command: output, discover: cgroup2.Discover,
	}
	m.user = loginName(m.uid)
	m.distro = m.readDistribution()
	m.places, m.placesErr = dirs.Choose()
	m.try = m.tryInNamespaces
	m.tryMaps = m.writeMaps
	m.talk = m.talkInNamespaces
	return m
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// loginName survives users that only a directory service knows.
func loginName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return id
}

func hardLimit(resource int) uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(resource, &limit) != nil {
		return unix.RLIM_INFINITY
	}
	return limit.Max
}

// output runs a program and gives what it wrote.
func output(ctx context.Context, name string, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

func (m *machine) path(name string) string { return m.root + name }

// read gives a file's text without the space around it, "" when it cannot be read.
func (m *machine) read(name string) string {
	text, err := os.ReadFile(m.path(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// sysctl gives a setting by its name with dots; ok is false where the kernel does not have it.
func (m *machine) sysctl(name string) (value string, ok bool) {
	text, err := os.ReadFile(m.path("/proc/sys/" + strings.ReplaceAll(name, ".", "/")))
	return strings.Join(strings.Fields(string(text)), " "), err == nil
}

func (m *machine) exists(name string) bool {
	_, err := os.Stat(m.path(name))
	return err == nil
}

// reason is the last part of an error: "operation not permitted".
func reason(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
